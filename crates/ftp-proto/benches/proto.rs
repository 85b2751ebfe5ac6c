//! `cargo bench -p ftp-proto`: commands parsed and encoded, replies encoded and read, MLSD lines, ASCII conversion.
//!
//! Throughput is printed in elements (commands, replies, lines) or octets a second, on one core.
#![allow(missing_docs, reason = "the macros of criterion make items without docs")]
#![allow(clippy::unwrap_used, reason = "a failure is the benchmark's failure")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use ftp_proto::command::Command;
use ftp_proto::data::{Coding, Decoder, Encoder};
use ftp_proto::frame::{Frame, Framer};
use ftp_proto::grammar::Encode;
use ftp_proto::listing::{mlsx, unix};
use ftp_proto::reply::reader::ReplyReader;
use ftp_proto::value::facts::{Entry, FactSet, Facts, Kind, Perm};
use ftp_proto::value::time::TimeVal;

/// The twenty commands that clients send most.
const COMMANDS: [&str; 20] = [
    "USER anonymous",
    "PASS guest@example.com",
    "TYPE I",
    "TYPE A",
    "PASV",
    "EPSV",
    "PORT 192,0,2,7,200,10",
    "RETR pub/file.txt",
    "STOR upload.bin",
    "LIST",
    "MLSD",
    "CWD /pub",
    "PWD",
    "SIZE file.txt",
    "MDTM file.txt",
    "REST 1048576",
    "NOOP",
    "FEAT",
    "PROT P",
    "QUIT",
];

/// The replies to them.
const REPLIES: [&str; 20] = [
    "331 Password, please.",
    "230 Logged in.",
    "200 Type is image (binary).",
    "200 Type is ASCII.",
    "227 Entering Passive Mode (192,0,2,1,156,65).",
    "229 Entering Extended Passive Mode (|||40001|)",
    "200 PORT noted.",
    "150 Data connection is open; starting the transfer.",
    "226 Transfer complete: 100 octets in 0.001 s.",
    "150 Data connection is open; starting the transfer.",
    "226 Transfer complete: 4096 octets in 0.002 s.",
    "250 /pub is the working directory.",
    "257 \"/\" is the working directory.",
    "213 1048576",
    "213 20261123000000",
    "350 Restarting at 1048576; send RETR, STOR or APPE.",
    "200 Nothing done.",
    "211-Extensions supported:\r\n MDTM\r\n SIZE\r\n REST STREAM\r\n211 End",
    "200 Data connections are protected.",
    "221 Goodbye.",
];

fn commands(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("commands");
    group.throughput(Throughput::Elements(COMMANDS.len() as u64));
    group.bench_function("parse", |bencher| {
        bencher.iter(|| {
            COMMANDS.iter().filter(|line| Command::parse(black_box(line.as_bytes())).is_ok()).count()
        });
    });
    let stream: Vec<u8> = COMMANDS.iter().flat_map(|line| [line.as_bytes(), b"\r\n"].concat()).collect();
    group.bench_function("frame and parse", |bencher| {
        let mut framer = Framer::new(8192);
        bencher.iter(|| {
            framer.push(black_box(&stream));
            let mut good = 0;
            while let Some(Frame::Line(line)) = framer.next_frame() {
                good += usize::from(Command::parse(line).is_ok());
            }
            good
        });
    });
    let parsed: Vec<Command> = COMMANDS.iter().map(|line| Command::parse(line.as_bytes()).unwrap()).collect();
    let mut out = Vec::with_capacity(1024);
    group.bench_function("encode", |bencher| {
        bencher.iter(|| {
            out.clear();
            parsed.iter().for_each(|command| command.encode(&mut out));
            out.len()
        });
    });
    group.finish();
}

fn replies(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("replies");
    group.throughput(Throughput::Elements(REPLIES.len() as u64));
    let stream: Vec<u8> = REPLIES.iter().flat_map(|reply| [reply.as_bytes(), b"\r\n"].concat()).collect();
    let read = |stream: &[u8]| {
        let mut reader = ReplyReader::new();
        reader.push(stream);
        std::iter::from_fn(|| reader.next_reply().unwrap()).collect::<Vec<_>>()
    };
    let parsed = read(&stream);
    assert_eq!(parsed.len(), REPLIES.len());
    group.bench_function("read", |bencher| bencher.iter(|| read(black_box(&stream)).len()));
    let mut out = Vec::with_capacity(4096);
    group.bench_function("encode", |bencher| {
        bencher.iter(|| {
            out.clear();
            parsed.iter().for_each(|reply| reply.encode(&mut out));
            out.len()
        });
    });
    group.finish();
}

fn listings(criterion: &mut Criterion) {
    let mut facts = Facts::new(Kind::File, 1_234_567);
    facts.modify = Some(TimeVal::from_unix(1_780_000_000));
    facts.perm = Perm::of(b"adfrw");
    facts.unique = Some(0x1234_5678_9abc_def0);
    let entry = Entry { name: b"some-file-name.txt".to_vec(), facts };
    let mut group = criterion.benchmark_group("listing lines");
    group.throughput(Throughput::Elements(1000));
    let mut out = Vec::with_capacity(1 << 18);
    group.bench_function("MLSD", |bencher| {
        bencher.iter(|| {
            out.clear();
            (0..1000).for_each(|_| mlsx::write_line(black_box(&entry), FactSet::DEFAULT, &mut out));
            out.len()
        });
    });
    let mut line = Vec::new();
    mlsx::write_entry(&entry, FactSet::DEFAULT, &mut line);
    group.bench_function("MLSD read", |bencher| {
        bencher.iter(|| (0..1000).filter(|_| mlsx::read_entry(black_box(&line)).is_some()).count());
    });
    group.bench_function("LIST", |bencher| {
        bencher.iter(|| {
            out.clear();
            (0..1000)
                .for_each(|_| unix::write(black_box(&entry), TimeVal::from_unix(1_790_000_000), &mut out));
            out.len()
        });
    });
    group.finish();
}

fn ascii(criterion: &mut Criterion) {
    let text: Vec<u8> = "The quick brown fox jumps over the lazy dog, twice over the wall.\n"
        .bytes()
        .cycle()
        .take(1 << 20)
        .collect();
    let mut wire = Vec::new();
    Encoder::new(Coding::default()).encode(&text, &mut wire);
    let mut group = criterion.benchmark_group("ASCII");
    group.throughput(Throughput::Bytes(1 << 20));
    let mut out = Vec::with_capacity(2 << 20);
    group.bench_function("encode", |bencher| {
        let mut encoder = Encoder::new(Coding::default());
        bencher.iter(|| {
            out.clear();
            encoder.encode(black_box(&text), &mut out);
            out.len()
        });
    });
    group.bench_function("decode", |bencher| {
        let mut decoder = Decoder::new(Coding::default());
        bencher.iter(|| {
            out.clear();
            decoder.decode(black_box(&wire), &mut out).unwrap()
        });
    });
    group.finish();
}

criterion_group!(benches, commands, replies, listings, ascii);
criterion_main!(benches);
