"""The site, the alerts, the kept history and the trends of any project that has an asv suite."""
