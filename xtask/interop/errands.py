"""What other clients do in daily life: errands.py EXPLICIT-PORT IMPLICIT-PORT FOLDER

Each errand is one that some server has failed: patterns of mget, switches of ls, ALLO, abort in urgent data, many small files
at once, sync and move of trees. Prints a line for each: client and errand, good | cannot | missing | bad, why; parted by tabs.
FOLDER/root is the folder that the server serves, and what a client did is checked there.
"""

import contextlib
import ftplib
import os
import pathlib
import shutil
import subprocess
import sys
import threading

EXPLICIT, IMPLICIT, FOLDER = sys.argv[1:4]
HOST = "127.0.0.1"
ROOT = pathlib.Path(FOLDER) / "root"
WORK = pathlib.Path(FOLDER) / "errands"
TIME = 60
ERRANDS = {}


class Missing(Exception):
    """The program is not installed."""


def errand(client, what, program=None):
    """Registers an errand, whose program has to be there."""

    def register(do):
        ERRANDS[f"{client} {what}"] = (program, do)
        return do

    return register


def need(condition, what):
    if not condition:
        raise AssertionError(what)


def run(*args, said=None, cwd=None, env=None):
    """Runs a program to its end, and yields what it printed."""
    environment = {**os.environ, "HOME": str(WORK), **(env or {})}
    done = subprocess.run(
        args, input=said, cwd=cwd or WORK, env=environment, capture_output=True, text=True, timeout=TIME
    )
    return done.returncode, done.stdout + done.stderr


def scene():
    """Files in the folder that is served: three of one ending, one of another, one large."""
    for entry in ROOT.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    shutil.rmtree(WORK, ignore_errors=True)
    WORK.mkdir()
    for name in ("a.x", "b.x", "c.x", "d.y"):
        (ROOT / name).write_text(name * 100)
    (ROOT / "large").write_bytes(bytes(range(256)) * (64 << 12))


def fetched(folder, names):
    for name in names:
        path = folder / name
        need(path.exists() and path.read_bytes() == (ROOT / name).read_bytes(), f"{name} did not come whole")


def mget(program, login):
    """mget of a pattern, as people type it; only what matches comes."""
    _, shown = run(*login, said="user me secret\nbinary\nprompt\nmget *.x\nls -C\nquit\n")
    fetched(WORK, ["a.x", "b.x", "c.x"])
    need(not (WORK / "d.y").exists(), f"{program} fetched d.y too")
    need("550" not in shown, shown[-200:])


@errand("tnftp", "mget and ls -C", "tnftp")
def tnftp():
    mget("tnftp", ["tnftp", "-n", HOST, EXPLICIT])


@errand("inetutils", "mget and ls -C", "inetutils-ftp")
def inetutils():
    mget("inetutils-ftp", ["inetutils-ftp", "-n", HOST, EXPLICIT])


@errand("ncftp", "get of a pattern", "ncftpget")
def ncftp():
    code, shown = run("ncftpget", "-u", "me", "-p", "secret", "-P", EXPLICIT, HOST, ".", "*.x")
    need(code == 0, shown[-200:])
    fetched(WORK, ["a.x", "b.x", "c.x"])


@errand("ncftp", "put and tree", "ncftpput")
def ncftp_put():
    (WORK / "tree").mkdir()
    (WORK / "tree/f").write_text("f")
    code, shown = run("ncftpput", "-R", "-u", "me", "-p", "secret", "-P", EXPLICIT, HOST, "/", "tree")
    need(code == 0 and (ROOT / "tree/f").read_text() == "f", shown[-200:])


@errand("busybox", "get and put", "busybox")
def busybox():
    code, shown = run("busybox", "ftpget", "-u", "me", "-p", "secret", "-P", EXPLICIT, HOST, "a.x", "a.x")
    need(code == 0, shown)
    fetched(WORK, ["a.x"])
    code, shown = run("busybox", "ftpput", "-u", "me", "-p", "secret", "-P", EXPLICIT, HOST, "new", "a.x")
    need(code == 0 and (ROOT / "new").read_bytes() == (ROOT / "a.x").read_bytes(), shown)


PERL = """
use Net::FTP; my $f = Net::FTP->new('127.0.0.1', Port => $ARGV[0], Timeout => 20) or die "no connection";
$f->login('me', 'secret') or die 'login'; my @n = sort $f->ls('*.x'); "@n" eq 'a.x b.x c.x' or die "ls: @n";
$f->ascii; $f->put('mixed', 'mixed') or die 'put: '.$f->message;
$f->binary; $f->get('a.x', 'a.x') or die 'get'; $f->alloc(512); $f->put('a.x', 'other') or die 'alloc: '.$f->message;
$f->dir('-C') or die 'dir: '.$f->message; $f->quit;
"""


@errand("Net::FTP", "ls of a pattern, put, ALLO", "perl")
def perl():
    (WORK / "mixed").write_bytes(b"a\r\nb\n")
    code, shown = run("perl", "-e", PERL, EXPLICIT)
    need(code == 0, shown[-200:])
    need((ROOT / "other").read_bytes() == (ROOT / "a.x").read_bytes(), "other differs")


RUBY = """
require 'net/ftp'; require 'timeout'
Timeout.timeout(30) do
  f = Net::FTP.new; f.connect('127.0.0.1', ARGV[0].to_i); f.login('me', 'secret')
  raise "nlst #{f.nlst('*.x')}" unless f.nlst('*.x').sort == %w[a.x b.x c.x]
  f.status; f.abort; raise 'noop' unless f.pwd == '/'
  raise 'mlst' unless f.mlst('a.x').size == 300
  f.getbinaryfile('a.x', 'a.x'); f.quit
end
"""


@errand("net-ftp", "nlst of a pattern, status and abort in urgent data", "ruby")
def ruby():
    code, shown = run("ruby", "-e", RUBY, EXPLICIT)
    if "cannot load such file -- net/ftp" in shown:
        raise Missing("the gem net-ftp")
    need(code == 0, shown[-200:])
    fetched(WORK, ["a.x"])


PHP = """
$f = ftp_connect('127.0.0.1', (int)$argv[1], 20); ftp_login($f, 'me', 'secret') or exit('login'); ftp_pasv($f, true);
$n = ftp_nlist($f, '*.x'); sort($n); $n == ['a.x', 'b.x', 'c.x'] or exit('nlist');
foreach (ftp_mlsd($f, '.') as $e) { isset($e['type']) or exit('mlsd: no type'); }
ftp_alloc($f, 512, $r) or exit("alloc $r"); ftp_put($f, 'other', 'small', FTP_BINARY) or exit('put'); echo 'good';
"""


@errand("php", "nlist, mlsd, alloc", "php")
def php():
    (WORK / "small").write_text("small")
    _, shown = run("php", "-r", PHP, EXPLICIT)
    if "undefined function ftp_connect" in shown:
        raise Missing("the extension ftp of php")
    need(shown.endswith("good"), shown[-200:])


@errand("ftplib", "abort in urgent data, and the length of a download")
def abort():
    with contextlib.closing(ftplib.FTP(timeout=20)) as ftp:
        ftp.connect(HOST, int(EXPLICIT))
        ftp.login("me", "secret")
        ftp.voidcmd("TYPE I")
        data, size = ftp.ntransfercmd("RETR large")
        need(size == (ROOT / "large").stat().st_size, f"length {size}")
        data.recv(1000)
        said = ftp.abort()
        data.close()
        need(said[:3] in ("426", "226"), said)
        need(ftp.getmultiline()[:3] == "226", "no 226 behind it")
        ftp.voidcmd("NOOP")


@errand("aria2", "fifty small files", "aria2c")
def aria2():
    for number in range(50):
        (ROOT / f"s{number}").write_text(str(number))
    links = "\n".join(f"ftp://me:secret@{HOST}:{EXPLICIT}/s{number}" for number in range(50))
    (WORK / "links").write_text(links)
    code, shown = run("aria2c", "-q", "-x8", "-j8", "-i", "links", "-d", str(WORK))
    need(code == 0, shown[-200:])
    fetched(WORK, [f"s{number}" for number in range(50)])


def rclone(profile):
    """Sync, copy, move and purge of a tree of many files, eight at a time."""
    port = IMPLICIT if profile == "implicit" else EXPLICIT
    options = {"host": HOST, "port": port, "user": "me", "pass": run("rclone", "obscure", "secret")[1].strip()}
    if profile != "plain":
        options |= {"no_check_certificate": "true", "tls" if profile == "implicit" else "explicit_tls": "true"}
    env = {f"RCLONE_CONFIG_T_{key.upper()}": value for key, value in {**options, "type": "ftp"}.items()}
    tree = WORK / "tree"
    for number in range(40):
        (tree / f"d{number % 4}").mkdir(parents=True, exist_ok=True)
        (tree / f"d{number % 4}/f{number}").write_text(str(number) * (number + 1))

    def do(*args):
        code, shown = run("rclone", "--transfers", "8", "--retries", "1", "--low-level-retries", "1", *args, env=env)
        need(code == 0, shown[-300:])

    def same(one, other):
        names = lambda folder: {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("f*")}
        need(names(one) == names(other) and len(names(one)) == 40, f"{one} and {other} differ")

    do("sync", "tree", "t:tree")
    same(tree, ROOT / "tree")
    do("copy", "t:tree", "back")
    same(tree, WORK / "back")
    do("move", "t:tree", "t:moved")
    same(tree, ROOT / "moved")
    do("purge", "t:moved")
    need(not (ROOT / "moved").exists(), "moved is still there")


for name in ("plain", "explicit", "implicit"):
    errand("rclone", f"sync, copy, move, purge, {name}", "rclone")(lambda name=name: rclone(name))


def main():
    for name, (program, do) in ERRANDS.items():
        why = ""
        try:
            if program and not shutil.which(program):
                raise Missing(program)
            scene()
            do()
            how = "good"
        except Missing as error:
            how, why = "missing", f"{error} is not installed"
        except Exception as error:
            how, why = "bad", f"{type(error).__name__} {error}".replace("\n", " / ").replace("\t", " ")
        print(name, how, why, sep="\t", flush=True)


main()
