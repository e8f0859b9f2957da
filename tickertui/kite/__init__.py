"""How the broker speaks: binary frames, the stream, REST, the instrument dump and the daily login."""
