// A chart of series over commits: points with intervals, changes, failures; drawn by uPlot.

import { date, number, read, scaleOf } from "./common.js";

const COLOURS = 6;
const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3], [5, 5], [1, 2]];
const HEIGHT = 340;
const BAR = 2; // pixels of an interval's width
const DIGIT = 7; // pixels of a digit's width on the y axis
const FARTHEST = 3; // times the figures: limits farther away are told in words alone
const WIDEST = 2; // times the range of the values: how much of an interval is in the picture
const SHORT_S = 5 * 86400; // a history no longer than this is labelled with times

export const MOST_LINES = COLOURS;

/**
 * Draw into `place`. `lines` are {label, series} of data/benchmarks files, at most MOST_LINES.
 * `look`: {byDate, fromZero, begin} with the number of the first commit shown; `marks`: {bands,
 * limits, alarms}, of stored figures: [low, high] about the level now, [figure, words, colour], and
 * [commit, words]. `pointed(number)` is called with the number of the commit that is pointed at, or
 * null.
 */
export function draw(place, lines, benchmark, commits, look, marks, pointed) {
  const reads = benchmark.reads;
  const numbers = [...new Set(lines.flatMap((line) => line.series.at))]
    .filter((each) => each >= look.begin)
    .sort((a, b) => a - b);
  const at = new Map(numbers.map((each, column) => [each, column]));
  const columns = lines.map((line) => columnsOf(line.series, at, numbers.length, reads));
  const x = numbers.map((each) => (look.byDate ? commits[each][3] / 1000 : each));
  const known = columns.flatMap((each) => each.values).filter((each) => each !== null);
  const [size, unit] = scaleOf(reads.unit, Math.max(...known.map(Math.abs), 0));
  const brief = numbers.length > 0 && (commits[numbers.at(-1)][3] - commits[numbers[0]][3]) / 1000 < SHORT_S;
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const limits = marks.limits
    .map(([stored, words, kind]) => ({ at: read(reads, stored), words, kind }))
    .filter((each) => Number.isFinite(each.at) && near(each.at, known));
  const axis = { stroke: colour("soft"), grid: { stroke: colour("rule"), width: 1 }, ticks: { stroke: colour("rule") } };
  const stepped = benchmark.kind === "exact" ? uPlot.paths.stepped({ align: 1 }) : undefined;
  const options = {
    width: place.clientWidth,
    height: HEIGHT,
    legend: { show: false },
    scales: {
      x: { time: false },
      y: { range: (_, low, high) => range(low, high, look.fromZero, columns, limits) },
    },
    axes: [
      { ...axis, space: 90, values: (_, splits) => splits.map((each) => dateAt(each, commits, look.byDate, brief)) },
      { ...axis, size: (_, words) => 18 + DIGIT * Math.max(4, ...(words ?? []).map((each) => each.length)), label: `${unit || reads.unit} (${reads.inverted ? "higher" : "lower"} is better)`,
        labelSize: 20, values: (_, splits) => splits.map((each) => number(each / size)) },
    ],
    series: [
      {},
      ...lines.map((line, index) => ({
        label: line.label,
        stroke: colour(`line-${index + 1}`),
        width: 1.5,
        dash: DASHES[index],
        spanGaps: true,
        paths: stepped,
        points: { show: numbers.length <= 400, size: 5 },
      })),
    ],
    cursor: { points: { size: 9 }, focus: { prox: 30 } },
    hooks: {
      drawAxes: [(u) => drawMarks(u, marks, limits, at, colour, reads), (u) => drawBehind(u, lines, columns, numbers, at, colour, reads.inverted)],
      setCursor: [(u) => pointed(u.cursor.idx === null || u.cursor.idx === undefined ? null : numbers[u.cursor.idx])],
    },
  };
  place.replaceChildren();
  const plot = new uPlot(options, [x, ...columns.map((each) => each.values)], place);
  return { plot, numbers };
}

function columnsOf(series, at, count, reads) {
  const made = { values: Array(count).fill(null), low: Array(count).fill(null), high: Array(count).fill(null) };
  series.at.forEach((commit, place) => {
    const column = at.get(commit);
    if (column === undefined) return;
    const value = read(reads, series.values[place]);
    if (!Number.isFinite(value)) return;
    made.values[column] = value;
    const bounds = [series.low[place], series.high[place]];
    if (bounds[0] === null || bounds[1] === null) return;
    if (reads.inverted && Math.min(...bounds) <= 0) return; // no bound above, once turned
    const [low, high] = bounds.map((each) => read(reads, each)).sort((a, b) => a - b);
    made.low[column] = low;
    made.high[column] = high;
  });
  return made;
}

/** Whether a limit lies so close to the figures that drawing it would not flatten them. */
function near(limit, known) {
  const most = Math.max(...known.map(Math.abs), 0);
  return Math.abs(limit) <= FARTHEST * most && Math.abs(limit) * FARTHEST >= most;
}

function range(low, high, fromZero, columns, limits) {
  if (low === null || high === null) return [0, 1];
  const bounds = columns.flatMap((each) => [...each.low, ...each.high]).filter((each) => each !== null);
  // Of two samples an interval may be a hundred times as wide as what the figure does.
  const reach = WIDEST * Math.max(high - low, Math.abs(high) * 0.01);
  const told = limits.map((each) => each.at);
  const least = Math.min(Math.max(Math.min(low, ...bounds), low - reach), ...told);
  const most = Math.max(Math.min(Math.max(high, ...bounds), high + reach), ...told);
  const room = (most - least || Math.abs(most) || 1) * 0.08;
  // The interval of two samples may reach below 0, where nothing like it has ever been.
  const positive = Math.min(low, ...told) >= 0;
  const bottom = fromZero ? Math.min(0, least) : positive ? Math.max(0, least - room) : least - room;
  return [bottom, most + room];
}

function dateAt(split, commits, byDate, brief) {
  const ms = byDate ? split * 1000 : Number.isInteger(split) ? commits[split]?.[3] : undefined;
  if (ms === undefined) return "";
  return brief ? new Date(ms).toISOString().slice(5, 16).replace("T", " ") : date(ms);
}

/** Where the gate's floor ends, targets and accepted changes, and alarms. */
function drawMarks(u, marks, limits, at, colour, reads) {
  const paint = u.ctx;
  const ratio = devicePixelRatio;
  const { left, top, width, height } = u.bbox;
  paint.save();
  paint.beginPath();
  paint.rect(left, top, width, height);
  paint.clip();
  paint.font = `${12 * ratio}px sans-serif`;
  for (const band of marks.bands) {
    const ends = band.map((stored) => u.valToPos(read(reads, stored), "y", true)).sort((a, b) => a - b);
    paint.fillStyle = colour("soft");
    paint.globalAlpha = 0.16;
    paint.fillRect(left, ends[0], width, Math.max(1, ends[1] - ends[0]));
    paint.globalAlpha = 1;
  }
  for (const each of limits) {
    const y = u.valToPos(each.at, "y", true);
    paint.strokeStyle = paint.fillStyle = colour(each.kind);
    paint.lineWidth = 1.5 * ratio;
    paint.setLineDash([10 * ratio, 4 * ratio]);
    paint.beginPath();
    paint.moveTo(left, y);
    paint.lineTo(left + width, y);
    paint.stroke();
    paint.setLineDash([]);
    paint.textAlign = "left";
    paint.fillText(each.words, left + 6 * ratio, y - 4 * ratio);
  }
  for (const [commit, words] of marks.alarms) {
    const column = at.get(commit);
    if (column === undefined) continue;
    const x = u.valToPos(u.data[0][column], "x", true);
    paint.fillStyle = colour("not-met");
    paint.textAlign = x > left + width / 2 ? "right" : "left";
    paint.fillText(`⚠ ${words}`, x + (x > left + width / 2 ? -8 : 8) * ratio, top + 24 * ratio);
  }
  paint.restore();
}

/** What lies behind the lines: intervals, the commits that changed something, failures. */
function drawBehind(u, lines, columns, numbers, at, colour, inverted) {
  const paint = u.ctx;
  const ratio = devicePixelRatio;
  const { left, top, width, height } = u.bbox;
  const where = (column) => u.valToPos(u.data[0][column], "x", true);
  paint.save();
  paint.beginPath();
  paint.rect(left, top, width, height);
  paint.clip();
  lines.forEach((line, index) => {
    paint.fillStyle = colour(`line-${index + 1}`);
    paint.globalAlpha = 0.35;
    columns[index].low.forEach((low, column) => {
      if (low === null) return;
      const upper = u.valToPos(columns[index].high[column], "y", true);
      const lower = u.valToPos(low, "y", true);
      paint.fillRect(where(column) - (BAR * ratio) / 2, upper, BAR * ratio, Math.max(1, lower - upper));
    });
    paint.globalAlpha = 1;
    for (const each of line.series.changes) {
      const column = at.get(each.at);
      if (column === undefined) continue;
      paint.strokeStyle = colour(each.new > each.old ? "worse" : "better");
      paint.setLineDash([4 * ratio, 3 * ratio]);
      paint.lineWidth = 1.5 * ratio;
      paint.beginPath();
      paint.moveTo(where(column), top);
      paint.lineTo(where(column), top + height);
      paint.stroke();
      paint.setLineDash([]);
      triangle(paint, where(column), top, 5 * ratio, each.new > each.old !== inverted);
    }
    paint.fillStyle = colour("not-met");
    paint.font = `${12 * ratio}px sans-serif`;
    paint.textAlign = "center";
    for (const commit of line.series.failed) {
      const after = numbers.findIndex((each) => each >= commit);
      if (after >= 0) paint.fillText("✕", where(after), top + height - 3 * ratio);
    }
  });
  paint.restore();
}

/** At the top of a change's line; it points where the figure went. */
function triangle(paint, x, top, size, upwards) {
  paint.fillStyle = paint.strokeStyle;
  paint.beginPath();
  paint.moveTo(x - size, top + (upwards ? 2 * size : 0));
  paint.lineTo(x + size, top + (upwards ? 2 * size : 0));
  paint.lineTo(x, top + (upwards ? 0 : 2 * size));
  paint.fill();
}
