//! Lines of MLSD are read or refused; what is read can be written and read again.
#![no_main]

use ftp_proto::listing::{mlsx, names, unix};
use ftp_proto::value::facts::FactSet;
use ftp_proto::value::time::TimeVal;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|line: &[u8]| {
    let Some(entry) = mlsx::read_entry(line) else { return };
    let all = FactSet::all();
    let mut out = Vec::new();
    mlsx::write_entry(&entry, all, &mut out);
    let again = mlsx::read_entry(&out).expect("what was written can be read");
    assert_eq!((&again.name, again.facts.kind), (&entry.name, entry.facts.kind));
    unix::write(&entry, TimeVal::from_unix(0), &mut out);
    names::write(b"dir", &entry.name, &mut out);
});
