"""Where files live: the platform's own directories, or below one root that the user names.

What is of one broker's market, database and tokens, lies apart for every broker but Kite itself: `Paths.of`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tickertui.frozen import frozen
from tickertui.store.identity import BrokerIdentity

APP_NAME = "tickertui"


@frozen
class Paths:
    """The directories and files of one installation. Nothing is created by asking for a path.

    Attributes:
        config_dir: ``config.toml``, ``secrets.toml``, ``calendar.toml``, ``presets.toml``, ``themes/``.
        data_dir: The database.
        state_dir: Tokens of the day, the log.
        broker_folder: Where below ``brokers`` the data of the broker lie; empty for Kite's, which lie at the top.
    """

    config_dir: Path
    data_dir: Path
    state_dir: Path
    broker_folder: str = ""

    def of(self, broker: BrokerIdentity) -> Paths:
        """Return the paths of a broker's data; what is of the installation, as the log, stays where it is."""
        return replace(self, broker_folder=broker.folder)

    @property
    def config_file(self) -> Path:
        """The configuration."""
        return self.config_dir / "config.toml"

    @property
    def secrets_file(self) -> Path:
        """API secrets; must be readable by its owner only."""
        return self.config_dir / "secrets.toml"

    @property
    def calendar_file(self) -> Path:
        """Holidays and sessions that override the shipped calendar."""
        return self.config_dir / "calendar.toml"

    @property
    def presets_file(self) -> Path:
        """The column editor's presets, written by the program."""
        return self.config_dir / "presets.toml"

    @property
    def themes_dir(self) -> Path:
        """The user's own themes."""
        return self.config_dir / "themes"

    @property
    def database_file(self) -> Path:
        """The SQLite database."""
        return self._of_broker(self.data_dir) / "tickertui.db"

    @property
    def tokens_dir(self) -> Path:
        """The day's access tokens, one 0600 file an account."""
        return self._of_broker(self.state_dir) / "tokens"

    @property
    def seen_rules_file(self) -> Path:
        """What versions up to schema 1 remembered of the configuration's rules."""
        return self._of_broker(self.state_dir) / "config-rules.json"

    @property
    def seen_sessions_file(self) -> Path:
        """Sessions that no calendar listed and the market held, of this broker."""
        return self._of_broker(self.state_dir) / "seen-sessions.json"

    @property
    def log_file(self) -> Path:
        """The rotating log."""
        return self.state_dir / "tickertui.log"

    def _of_broker(self, directory: Path) -> Path:
        return directory / "brokers" / self.broker_folder if self.broker_folder else directory


def user_paths(environ: Mapping[str, str]) -> Paths:
    """Return the platform's directories, or those below ``TICKERTUI_HOME`` where it is set."""
    home = environ.get("TICKERTUI_HOME")
    if home:
        root = Path(home).expanduser()
        return Paths(root / "config", root / "data", root / "state")
    # platformdirs takes 10 ms to import: `--version` does without it.
    import platformdirs

    return Paths(
        Path(platformdirs.user_config_dir(APP_NAME, appauthor=False)),
        Path(platformdirs.user_data_dir(APP_NAME, appauthor=False)),
        Path(platformdirs.user_state_dir(APP_NAME, appauthor=False)),
    )
