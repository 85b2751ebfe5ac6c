//! Lines do not depend on how the octets were cut, and memory stays bounded.
#![no_main]

use ftp_proto::frame::Framer;
use libfuzzer_sys::fuzz_target;

fn frames(data: &[u8], cut: usize) -> Vec<String> {
    let mut framer = Framer::new(64);
    let mut seen = Vec::new();
    for piece in data.chunks(cut) {
        framer.push(piece);
        while let Some(frame) = framer.next_frame() {
            seen.push(format!("{frame:?}"));
        }
        assert!(framer.buffered() <= 64 + cut);
    }
    seen
}

fuzz_target!(|input: (u8, &[u8])| {
    let (cut, data) = input;
    assert_eq!(frames(data, usize::from(cut).max(1)), frames(data, data.len().max(1)));
});
