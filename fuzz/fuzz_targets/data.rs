//! Every coding is reversible for every cut, and any octets decode or are refused in bounded memory.
#![no_main]

use ftp_proto::data::{Coding, Decoder, Encoder, Representation, STEP};
use ftp_proto::value::transfer::{Mode, Structure};
use libfuzzer_sys::fuzz_target;

fn coding(choice: u8) -> Coding {
    Coding {
        representation: if choice & 1 == 0 { Representation::Ascii } else { Representation::Image },
        structure: if choice & 2 == 0 { Structure::File } else { Structure::Record },
        mode: [Mode::Stream, Mode::Block, Mode::Compressed, Mode::Deflate][usize::from(choice >> 2 & 3)],
        level: choice >> 4 & 3,
    }
}

/// What comes out, at most 16 MiB of it.
fn decode(coding: Coding, wire: &[u8], cut: usize) -> Option<Vec<u8>> {
    let mut decoder = Decoder::new(coding);
    let mut file = Vec::new();
    for piece in wire.chunks(cut) {
        let mut rest = piece;
        loop {
            let before = file.len();
            let taken = decoder.decode(rest, &mut file).ok()?;
            assert!(file.len() - before <= STEP + 65_536);
            if taken == 0 && file.len() == before || file.len() > 1 << 24 {
                break;
            }
            rest = &rest[taken..];
        }
    }
    decoder.finish(&mut file).ok()?;
    Some(file)
}

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (choice, cut, data) = input;
    let (coding, cut) = (coding(choice), usize::from(cut).max(1));
    decode(coding, data, cut);
    let mut encoder = Encoder::new(coding);
    let mut wire = Vec::new();
    data.chunks(cut).for_each(|piece| encoder.encode(piece, &mut wire));
    encoder.finish(&mut wire);
    // In TYPE A a CR LF of the file is one line end on the wire and comes back as LF.
    let text = coding.representation == Representation::Ascii && coding.structure != Structure::Record;
    if !(text && data.contains(&b'\r')) {
        assert_eq!(decode(coding, &wire, cut).as_deref(), Some(data));
    }
});
