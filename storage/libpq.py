"""What stands behind the `?` of a database's address. It is read without SQLAlchemy, for who only masks passwords."""

_OPTIONS = frozenset(
    {
        "application_name",
        "client_encoding",
        "connect_timeout",
        "dbname",
        "host",
        "hostaddr",
        "keepalives",
        "options",
        "passfile",
        "password",
        "port",
        "service",
        "sslcert",
        "sslkey",
        "sslmode",
        "sslrootcert",
        "target_session_attrs",
        "user",
    }
)
"""What libpq may be told behind an address's ``?``."""


def without_options(url: str) -> str:
    """Return the address without what libpq is told behind its ``?``, where an ``@`` may stand, as in a password."""
    address, _, options = url.partition("?")
    names = {one.partition("=")[0] for one in options.split("&")}
    return address if "/" in address.partition("://")[2] and names <= _OPTIONS else url
