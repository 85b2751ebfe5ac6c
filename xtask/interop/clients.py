"""What real clients do: clients.py CLIENT MODE PROFILE PORT FOLDER [TLS-VERSION DEED]

Prints a line for each thing done: what, good | cannot | bad, why; parted by tabs. With TLS-VERSION, 1.2 or 1.3, the
client speaks no other and does only DEED. FOLDER/root is the folder that the
server serves, so that what a client did is checked on the disk and not by the client.
"""

import asyncio
import ftplib
import hashlib
import os
import pathlib
import socket
import ssl
import subprocess
import sys
import urllib.parse

CLIENT, MODE, PROFILE, PORT, FOLDER = sys.argv[1:6]
VERSION, DEED = sys.argv[6:8] if len(sys.argv) > 6 else (None, None)
HOST = "127.0.0.1"
PORT = int(PORT)
ROOT = pathlib.Path(FOLDER) / "root"
CA = pathlib.Path(FOLDER) / "state/ftp-server/cert.pem"
WORK = pathlib.Path(FOLDER) / "work"
ODD = "na me \"quo'te\" \u00fc\u4e2d.txt"
BIG = 64 << 20


class Cannot(Exception):
    """The client has no way to do this."""


def need(condition, what):
    if not condition:
        raise AssertionError(what)


def content(size):
    block = bytes((i * 7 + i // 251) % 256 for i in range(1 << 16))
    return (block * (size // len(block) + 1))[:size]


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def run(*args, accept=(0,)):
    done = subprocess.run(args, capture_output=True, text=True, timeout=120)
    if done.returncode not in accept:
        raise AssertionError((done.stderr or done.stdout).strip().replace("\n", " / ")[-300:])
    return done.stdout


class Curl:
    def __init__(self):
        version = run("curl", "--version").split()[1]
        if MODE in ("port", "eprt") and PROFILE != "plain" and version.startswith(("7.87.", "7.88.")):
            # curl issue 10666: it accepts the connection and then never sends a ClientHello; 8.0 does.
            raise Cannot("active mode over TLS: curl 7.87 and 7.88 never begin the handshake (curl issue 10666)")
        self.scheme = "ftps" if PROFILE == "implicit" else "ftp"
        self.options = ["curl", "-sS", "--user", "me:secret", "--cacert", str(CA), "--max-time", "100"]
        self.options += ["--ssl-reqd"] if PROFILE == "explicit" else []
        self.options += ["--tlsv1.3"] if VERSION == "1.3" else ["--tls-max", "1.2"] if VERSION else []
        self.options += {
            "pasv": ["--disable-epsv"], "epsv": [], "port": ["-P", "-", "--disable-eprt"], "eprt": ["-P", "-"],
        }[MODE]

    def url(self, name=""):
        return f"{self.scheme}://{HOST}:{PORT}/{urllib.parse.quote(name)}"

    def curl(self, *args): return run(*self.options, *args)

    def upload(self, local, name): self.curl("-T", str(local), self.url(name))
    def download(self, name, local): self.curl("-o", str(local), self.url(name))
    def names(self): return self.curl("-l", self.url()).splitlines()
    def resume_up(self, local, name): self.curl("-C", "-", "-T", str(local), self.url(name))
    def resume_down(self, name, local): self.curl("-C", "-", "-o", str(local), self.url(name))
    def quote(self, *commands): self.curl(*(part for command in commands for part in ("-Q", command)), self.url())
    def rename(self, old, new): self.quote(f"RNFR {old}", f"RNTO {new}")
    def mkdir(self, name): self.quote(f"MKD {name}")
    def rmdir(self, name): self.quote(f"RMD {name}")
    def delete(self, name): self.quote(f"DELE {name}")
    def close(self): pass


class Lftp:
    def __init__(self):
        if MODE == "eprt":
            raise Cannot("EPRT: lftp uses it over IPv6 only")
        yes = {True: "yes", False: "no"}
        self.settings = "; ".join([
            "set cmd:fail-exit yes", "set net:max-retries 1", "set net:timeout 20", f"set ssl:ca-file {CA}",
            "set ssl:check-hostname no", f"set ftp:passive-mode {yes[MODE != 'port']}",
            f"set ftp:prefer-epsv {yes[MODE == 'epsv']}", f"set ftp:ssl-allow {yes[PROFILE != 'plain']}",
            f"set ftp:ssl-force {yes[PROFILE == 'explicit']}", f"set ftp:ssl-protect-data {yes[PROFILE != 'plain']}",
        ])
        if VERSION:
            self.settings += f"; set ssl:priority NORMAL:-VERS-ALL:+VERS-TLS{VERSION}"
        self.scheme = "ftps" if PROFILE == "implicit" else "ftp"

    def quoted(self, name): return '"' + str(name).replace("\\", "\\\\").replace('"', '\\"') + '"'
    def lftp(self, command):
        return run("lftp", "-c", f"{self.settings}; open -u me,secret {self.scheme}://{HOST}:{PORT}; {command}")

    def upload(self, local, name): self.lftp(f"put {self.quoted(local)} -o {self.quoted(name)}")
    def download(self, name, local): self.lftp(f"get {self.quoted(name)} -o {self.quoted(local)}")
    def names(self): return self.lftp("nlist").splitlines()
    def resume_up(self, local, name): self.lftp(f"put -c {self.quoted(local)} -o {self.quoted(name)}")
    def resume_down(self, name, local): self.lftp(f"get -c {self.quoted(name)} -o {self.quoted(local)}")
    def rename(self, old, new): self.lftp(f"mv {self.quoted(old)} {self.quoted(new)}")
    def mkdir(self, name): self.lftp(f"mkdir {self.quoted(name)}")
    def rmdir(self, name): self.lftp(f"rmdir {self.quoted(name)}")
    def delete(self, name): self.lftp(f"rm {self.quoted(name)}")
    def close(self): pass


class Wget:
    def __init__(self):
        if MODE in ("epsv", "eprt"):
            raise Cannot(f"{MODE.upper()}: wget uses it over IPv6 only")
        self.options = ["wget", "-nv", "--tries=1", "--timeout=20", "--user=me", "--password=secret", f"--ca-certificate={CA}"]
        self.options += ["--no-passive-ftp"] if MODE == "port" else []
        self.options += ["--ftps-implicit"] if PROFILE == "implicit" else []
        self.scheme = "ftp" if PROFILE == "plain" else "ftps"

    def wget(self, name, *args): return run(*self.options, *args, f"{self.scheme}://{HOST}:{PORT}/{urllib.parse.quote(name)}")
    def only_downloads(self, *_): raise Cannot("wget only downloads")

    upload = resume_up = rename = mkdir = rmdir = delete = only_downloads

    def download(self, name, local): self.wget(name, "-O", str(local))
    def resume_down(self, name, local):
        here = pathlib.Path(local)
        target = here.parent / "wget" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(here, target)
        self.wget(name, "-c", "-P", str(target.parent))
        os.replace(target, here)

    def names(self):
        listing = WORK / "listing.html"
        self.wget("", "-O", str(listing))
        return [name for name in os.listdir(ROOT) if urllib.parse.quote(name, safe="'")[:5] in listing.read_text()]

    def close(self): pass


class ImplicitTls(ftplib.FTP_TLS):
    """The usual recipe: ftplib has no implicit mode of its own."""

    _sock = None

    @property
    def sock(self): return self._sock

    @sock.setter
    def sock(self, value):
        if value is not None and not isinstance(value, ssl.SSLSocket):
            value = self.context.wrap_socket(value, server_hostname=HOST)
        self._sock = value


class Ftplib:
    def __init__(self):
        if MODE == "eprt":
            raise Cannot("EPRT: ftplib uses it over IPv6 only")
        context = ssl.create_default_context(cafile=CA)
        if VERSION:
            context.minimum_version = context.maximum_version = ssl.TLSVersion[f"TLSv{VERSION.replace('.', '_')}"]
        make = {"plain": lambda: ftplib.FTP(timeout=20), "explicit": lambda: ftplib.FTP_TLS(context=context, timeout=20),
                "implicit": lambda: ImplicitTls(context=context, timeout=20)}[PROFILE]
        self.ftp = make()
        self.ftp.encoding = "utf-8"
        self.ftp.connect(HOST, PORT)
        if PROFILE == "implicit":
            ftplib.FTP.login(self.ftp, "me", "secret")
            self.ftp._prot_p = True
        else:
            self.ftp.login("me", "secret")
            if PROFILE == "explicit":
                self.ftp.prot_p()
        self.ftp.set_pasv(MODE != "port")
        if MODE == "epsv":
            self.ftp.af = socket.AF_INET6  # what makes ftplib send EPSV; the address is that of the control connection

    def upload(self, local, name):
        with open(local, "rb") as file:
            self.ftp.storbinary(f"STOR {name}", file)

    def download(self, name, local, rest=None):
        with open(local, "ab" if rest else "wb") as file:
            self.ftp.retrbinary(f"RETR {name}", file.write, rest=rest)

    def names(self): return self.ftp.nlst()
    def resume_up(self, local, name):
        self.ftp.voidcmd("TYPE I")  # RFC 3659 §4: in TYPE A the size is another one
        size = self.ftp.size(name)
        with open(local, "rb") as file:
            file.seek(size)
            self.ftp.storbinary(f"STOR {name}", file, rest=size)

    def resume_down(self, name, local): self.download(name, local, rest=os.path.getsize(local))
    def rename(self, old, new): self.ftp.rename(old, new)
    def mkdir(self, name): need(self.ftp.mkd(name) == f"/{name}", "MKD names what was made")
    def rmdir(self, name): self.ftp.rmd(name)
    def delete(self, name): self.ftp.delete(name)
    def close(self): self.ftp.quit()


class Aioftp:
    def __init__(self):
        import aioftp
        if MODE in ("port", "eprt"):
            raise Cannot("active mode: aioftp is passive only")
        self.context = ssl.create_default_context(cafile=CA)
        self.aioftp = aioftp
        self.loop = asyncio.new_event_loop()
        tls = {"ssl": self.context} if PROFILE == "implicit" else {}
        self.client = aioftp.Client(socket_timeout=20, passive_commands=(MODE,), **tls)
        self.loop.run_until_complete(self.begin())

    async def begin(self):
        await self.client.connect(HOST, PORT)
        if PROFILE == "explicit":
            await self.client.upgrade_to_tls(self.context)
        await self.client.login("me", "secret")

    def do(self, work): return self.loop.run_until_complete(work)

    async def send(self, local, name, offset):
        async with self.client.upload_stream(name, offset=offset) as stream:
            with open(local, "rb") as file:
                file.seek(offset)
                while block := file.read(1 << 18):
                    await stream.write(block)

    async def fetch(self, name, local, offset):
        async with self.client.download_stream(name, offset=offset) as stream:
            with open(local, "ab" if offset else "wb") as file:
                async for block in stream.iter_by_block(1 << 18):
                    file.write(block)

    async def listing(self): return [str(path) for path, _ in await self.client.list()]

    def upload(self, local, name): self.do(self.send(local, name, 0))
    def download(self, name, local): self.do(self.fetch(name, local, 0))
    def names(self): return self.do(self.listing())
    def resume_up(self, local, name): self.do(self.send(local, name, (ROOT / name).stat().st_size))
    def resume_down(self, name, local): self.do(self.fetch(name, local, os.path.getsize(local)))
    def rename(self, old, new): self.do(self.client.rename(old, new))
    def mkdir(self, name): self.do(self.client.make_directory(name))
    def rmdir(self, name): self.do(self.client.remove_directory(name))
    def delete(self, name): self.do(self.client.remove_file(name))
    def close(self): self.do(self.client.quit())


def upload(client):
    (WORK / "up").write_bytes(content(100_000))
    client.upload(WORK / "up", "up.bin")
    need((ROOT / "up.bin").read_bytes() == content(100_000), "the server has other octets")


def download(client):
    (ROOT / "down.bin").write_bytes(content(100_001))
    client.download("down.bin", WORK / "down")
    need((WORK / "down").read_bytes() == content(100_001), "the client has other octets")


def listing(client):
    (ROOT / "listed one").write_bytes(b"1")
    (ROOT / "listed-two").write_bytes(b"2")
    names = client.names()
    need("listed one" in names and "listed-two" in names, f"names are missing in {names}")


def resume_up(client):
    (ROOT / "resume.bin").write_bytes(content(300_000)[:123_456])
    (WORK / "whole").write_bytes(content(300_000))
    client.resume_up(WORK / "whole", "resume.bin")
    need((ROOT / "resume.bin").read_bytes() == content(300_000), "the server has other octets")


def resume_down(client):
    (ROOT / "whole.bin").write_bytes(content(300_000))
    (WORK / "half").write_bytes(content(300_000)[:123_456])
    client.resume_down("whole.bin", WORK / "half")
    need((WORK / "half").read_bytes() == content(300_000), "the client has other octets")


def rename(client):
    (ROOT / "old name").write_bytes(b"x")
    client.rename("old name", "new name")
    need((ROOT / "new name").exists() and not (ROOT / "old name").exists(), "the file was not renamed")


def mkdir(client):
    client.mkdir("made")
    need((ROOT / "made").is_dir(), "the directory was not made")
    client.rmdir("made")
    need(not (ROOT / "made").exists(), "the directory was not removed")


def delete(client):
    (ROOT / "gone").write_bytes(b"x")
    client.delete("gone")
    need(not (ROOT / "gone").exists(), "the file was not deleted")


def odd_names(client):
    (WORK / "odd").write_bytes(b"odd")
    try:
        client.upload(WORK / "odd", ODD)
        need((ROOT / ODD).read_bytes() == b"odd", "the server has another name")
    except Cannot:
        (ROOT / ODD).write_bytes(b"odd")
    client.download(ODD, WORK / "odd back")
    need((WORK / "odd back").read_bytes() == b"odd", "the client has other octets")


def empty(client):
    (WORK / "empty").write_bytes(b"")
    try:
        client.upload(WORK / "empty", "empty.bin")
    except Cannot:
        (ROOT / "empty.bin").write_bytes(b"")
    need((ROOT / "empty.bin").read_bytes() == b"", "the file is not empty")
    client.download("empty.bin", WORK / "empty back")
    back = WORK / "empty back"
    need(not back.exists() or back.read_bytes() == b"", "the download is not empty")


def big(client):
    source = WORK / "big"
    if not source.exists() or source.stat().st_size != BIG:
        source.write_bytes(content(BIG))
    try:
        client.upload(source, "big.bin")
    except Cannot:
        (ROOT / "big.bin").write_bytes(content(BIG))
    need(digest(ROOT / "big.bin") == digest(source), "the server has another SHA-256")
    client.download("big.bin", WORK / "big back")
    need(digest(WORK / "big back") == digest(source), "the client has another SHA-256")
    (WORK / "big back").unlink()


def clear(folder):
    for entry in folder.iterdir():
        if entry.is_dir():
            clear(entry)
            entry.rmdir()
        elif entry.name != "big":
            entry.unlink()


DEEDS = {"upload": upload, "download": download, "list": listing, "resume-up": resume_up, "resume-down": resume_down,
         "rename": rename, "mkdir": mkdir, "delete": delete, "odd-names": odd_names, "empty": empty, "64MiB": big}


def main():
    WORK.mkdir(exist_ok=True)
    clear(WORK)
    clear(ROOT)
    for what, deed in DEEDS.items():
        if DEED not in (None, what):
            continue
        try:
            client = {"curl": Curl, "lftp": Lftp, "wget": Wget, "ftplib": Ftplib, "aioftp": Aioftp}[CLIENT]()
            deed(client)
            client.close()
            print(what, "good", sep="\t", flush=True)
        except Cannot as why:
            print(what, "cannot", why, sep="\t", flush=True)
        except Exception as why:  # whatever a client raises is a failing cell
            text = f"{type(why).__name__}: {why}".replace("\n", " / ").replace("\t", " ")
            print(what, "bad", text[:400], sep="\t", flush=True)


main()
