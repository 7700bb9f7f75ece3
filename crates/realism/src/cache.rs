//! What programs keep to be quicker the next time: opaque to people, with the right marks at the beginning and the end.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use verisim_core::DecoyPath;

use crate::persona::Role;
use crate::random::{Generator, Purpose};
use crate::table::{hexadecimal, push_number};
use crate::voice::Voice;

/// Sizes of what a browser fetched: least and most, in bytes.
const FETCHED_BYTES: [f64; 2] = [60.0, 512e3];
/// The width and height of a thumbnail: the `normal` size of the freedesktop specification is 128 at most.
const THUMBNAIL_PIXELS: [u32; 2] = [72, 128];

/// Where a program would keep something. Who builds software has packages, everybody else pages and pictures.
pub(crate) fn name(voice: &mut Voice<'_>) -> Option<DecoyPath> {
    let builds = matches!(voice.role(), Role::Developer | Role::Administrator | Role::Scientist);
    let mut hash = String::with_capacity(64);
    for _ in 0..4 {
        hexadecimal(voice.draw.bits(), &mut hash);
    }
    let path = match voice.draw.below(if builds { 4 } else { 3 }) {
        0 => format!(".cache/thumbnails/normal/{}.png", &hash[..32]),
        1 | 2 => {
            // A profile keeps its name; it is drawn for the persona and the decoy.
            let place = voice.world.persona_seed(voice.slot.persona, Purpose::Habits);
            let mut draw = Generator::new(place.word(u64::from(voice.slot.decoy.0)));
            let letters = b"abcdefghijklmnopqrstuvwxyz0123456789";
            let profile: String = (0..8).map(|_| char::from(letters[draw.index(letters.len())])).collect();
            let entry = hash[..40].to_uppercase();
            format!(".cache/mozilla/firefox/{profile}.default-release/cache2/entries/{entry}")
        }
        _ => {
            let h = hash.as_bytes();
            let at = |place: usize| char::from(h[place]);
            format!(".cache/pip/http-v2/{}/{}/{}/{}/{}/{}", at(0), at(1), at(2), at(3), at(4), &hash[..56])
        }
    };
    voice.below_home(&path)
}

/// What stands there.
pub(crate) fn entry(voice: &mut Voice<'_>, path: &DecoyPath) -> Vec<u8> {
    if path.as_bytes().ends_with(b".png") { thumbnail(voice) } else { fetched(voice, path) }
}

/// What a browser or an installer fetched, with where it is from behind it.
fn fetched(voice: &mut Voice<'_>, path: &DecoyPath) -> Vec<u8> {
    const KINDS: [(&[u8], &str); 6] = [
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", "text/html; charset=utf-8"),
        (b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", "text/javascript"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "image/png"),
        (b"GIF89a", "image/gif"),
        (b"wOF2\x00\x01\x00\x00", "font/woff2"),
    ];
    let browser = path.to_string().contains("/firefox/");
    let (mark, kind) = if browser { KINDS[voice.draw.index(KINDS.len())] } else { KINDS[0] };
    let length = voice.size(6500.0, 2.2, FETCHED_BYTES);
    let mut out = Vec::with_capacity(length + 600);
    if !browser {
        out.extend(b"cc=4,");
    }
    out.extend(mark);
    while out.len() < length {
        out.extend(voice.draw.bits().to_le_bytes());
    }
    out.truncate(length.max(mark.len()));
    if browser {
        let data = u32::try_from(out.len()).unwrap_or(u32::MAX);
        // The hash of the metadata, then it: version, how often and when fetched, the key, the elements.
        out.extend(voice.draw.bits().to_le_bytes().iter().take(4));
        let seconds = u32::try_from(voice.slot.at.as_second()).unwrap_or(0);
        let key = format!("O^partitionKey=%28http%2C{}%29,:http://{}/", voice.host(), voice.host());
        let mut url = key;
        url.push_str(&voice.project());
        url.push('/');
        push_number(voice.draw.bits() % 1_000_000, &mut url);
        for word in [3, voice.draw.between(1, 9), seconds, seconds, 0x4000_0000, seconds + 86_400] {
            out.extend(word.to_be_bytes());
        }
        out.extend(u32::try_from(url.len()).unwrap_or(0).to_be_bytes());
        out.extend(0_u32.to_be_bytes());
        out.extend(url.as_bytes());
        out.extend(b"\0request-method\0GET\0response-head\0HTTP/1.1 200 OK\r\nContent-Type: ");
        out.extend(format!("{kind}\r\nContent-Length: {data}\r\n\0").into_bytes());
        out.extend(data.to_be_bytes());
    }
    out
}

/// A small picture of a document or a photograph, as file managers make it.
fn thumbnail(voice: &mut Voice<'_>) -> Vec<u8> {
    let [least, most] = THUMBNAIL_PIXELS;
    let (width, height) = if voice.draw.percent(50) {
        (voice.draw.between(least, most), most)
    } else {
        (most, voice.draw.between(least, most))
    };
    let pixels = pixels(voice, width, height);
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut head = [width.to_be_bytes(), height.to_be_bytes()].concat();
    head.extend([8, 2, 0, 0, 0]);
    chunk(b"IHDR", &head, &mut out);
    let noun = voice.noun().word.replace(' ', "%20");
    let uri = format!(
        "file://{}/{}/{noun}-{}.jpg",
        voice.persona.home,
        voice.habits.drafts,
        voice.draw.between(1, 999)
    );
    let changed = voice.slot.at.as_second() - i64::from(voice.draw.below(40_000_000));
    chunk(b"tEXt", format!("Thumb::URI\0{uri}").as_bytes(), &mut out);
    chunk(b"tEXt", format!("Thumb::MTime\0{changed}").as_bytes(), &mut out);
    chunk(b"tEXt", b"Software\0GNOME::ThumbnailFactory", &mut out);
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    let _ = encoder.write_all(&pixels);
    chunk(b"IDAT", &encoder.finish().unwrap_or_default(), &mut out);
    chunk(b"IEND", b"", &mut out);
    out
}

/// Rows of red, green and blue, each with its filter (none): a page with lines of text, or a gradient with grain.
fn pixels(voice: &mut Voice<'_>, width: u32, height: u32) -> Vec<u8> {
    let page = voice.draw.percent(60);
    let (base, grain) = (voice.draw.bits().to_le_bytes(), voice.draw.between(0, 3));
    let mut out = Vec::with_capacity((height * (3 * width + 1)) as usize);
    for y in 0..height {
        out.push(0);
        let mut ink = if y % 5 < 2 { voice.draw.between(width / 3, width) } else { 0 };
        if y < height / 10 || !page {
            ink = 0;
        }
        for x in 0..width {
            let bits = if grain > 0 || ink > 0 { voice.draw.bits() } else { 0 };
            for color in 0..3_u32 {
                let value = if page {
                    let dark = x > width / 8 && x < ink && bits & 3 > 0;
                    if dark { 90 + (bits >> 8 & 63) } else { 255 - u64::from(base[0] & 3) }
                } else {
                    let slope = u64::from(base[color as usize]) + u64::from(x * u32::from(base[3] & 3) + y);
                    slope % 200 + (bits >> (8 * color) & u64::from(grain))
                };
                out.push(u8::try_from(value.min(255)).unwrap_or(255));
            }
        }
    }
    out
}

fn chunk(kind: &[u8; 4], data: &[u8], out: &mut Vec<u8>) {
    out.extend(u32::try_from(data.len()).unwrap_or(0).to_be_bytes());
    let from = out.len();
    out.extend(kind);
    out.extend(data);
    let mut sum = flate2::Crc::new();
    sum.update(&out[from..]);
    out.extend(sum.sum().to_be_bytes());
}
