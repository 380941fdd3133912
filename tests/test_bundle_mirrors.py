import pytest

from clouder.bundle.mirrors import DEFAULT_ARCHIVE, DEFAULT_SECURITY, Mirrors, host_mirrors

DEB822 = """\
# a comment
Types: deb deb-src
URIs: https://mirror.example/debian/
Suites: bookworm bookworm-updates
Components: main contrib

Types: deb
URIs: https://mirror.example/security
Suites: bookworm-security
Components: main
"""
ONE_LINE = """\
# deb http://commented.example/debian trixie main
deb [arch=amd64 signed-by=/x.gpg] http://one.example/debian trixie main contrib
deb-src http://source.example/debian trixie main
deb http://one.example/debian-security trixie-security main
"""
DISABLED = "Enabled: no\n" + DEB822.split("\n", 1)[1]
FOLDED = "Types: deb\nURIs:\n https://folded.example/debian\nSuites: sid\nComponents:\n main\n"
THIRD_PARTY = "deb https://apt.example/tool stable-tool main\ndeb https://other.example/node nodistro main\n"
UBUNTU = "Types: deb\nURIs: http://ubuntu.example/ubuntu\nSuites: noble noble-security\nComponents: main\n"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"sources.list.d/debian.sources": DEB822},
            ("https://mirror.example/debian", "https://mirror.example/security"),
        ),
        ({"sources.list": ONE_LINE}, ("http://one.example/debian", "http://one.example/debian-security")),
        (
            {"sources.list.d/a.list": ONE_LINE},
            ("http://one.example/debian", "http://one.example/debian-security"),
        ),
        ({"sources.list.d/f.sources": FOLDED}, ("https://folded.example/debian", DEFAULT_SECURITY)),
        ({"sources.list.d/d.sources": DISABLED}, (DEFAULT_ARCHIVE, "https://mirror.example/security")),
        ({"sources.list": THIRD_PARTY}, (DEFAULT_ARCHIVE, DEFAULT_SECURITY)),
        ({"sources.list.d/ubuntu.sources": UBUNTU}, (DEFAULT_ARCHIVE, DEFAULT_SECURITY)),
        ({"sources.list.d/off.sources.disabled": DEB822}, (DEFAULT_ARCHIVE, DEFAULT_SECURITY)),
        ({}, (DEFAULT_ARCHIVE, DEFAULT_SECURITY)),
    ],
)
def test_the_mirror_is_the_one_of_the_host(tmp_path, files, expected):
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    assert host_mirrors(tmp_path) == Mirrors(*expected)
