//! Spans of time, sizes, modes and owners as people write them.

use std::str::FromStr;
use std::time::Duration;

use jiff::civil::Weekday;
use verisim_core::{ByteCount, FileMode, Owner, is_deceptive};

/// The longest span that a configuration may name: ten years.
const SPAN_MAX: Duration = Duration::from_secs(10 * 366 * 24 * 60 * 60);

/// Bytes per second of one megabit per second.
pub(crate) const BYTES_PER_MBIT: u64 = 125_000;

/// A span of time: `90s`, `10m`, `24h`, `2d`, or several joined: `1h30m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a span of time; write for instance 90s, 10m, 24h or 2d");
    let mut total = Duration::ZERO;
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: u64 = rest[..digits].parse().map_err(|_| wrong())?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, tail) = rest.split_at(letters);
        let part = match unit {
            "ms" => Some(Duration::from_millis(number)),
            "s" => Some(Duration::from_secs(number)),
            "m" | "min" => number.checked_mul(60).map(Duration::from_secs),
            "h" => number.checked_mul(3600).map(Duration::from_secs),
            "d" => number.checked_mul(86_400).map(Duration::from_secs),
            _ => None,
        };
        total = part.and_then(|part| total.checked_add(part)).ok_or_else(wrong)?;
        rest = tail.trim_start();
    }
    if total > SPAN_MAX { Err(format!("{text:?} is longer than ten years")) } else { Ok(total) }
}

/// A size: `4096`, `64KiB`, `20MB`, `2GiB`.
pub(crate) fn size(text: &str) -> Result<ByteCount, String> {
    let wrong = || format!("{text:?} is not a size; write for instance 4096, 64KiB or 2GiB");
    let trimmed = text.trim();
    let digits = trimmed.bytes().take_while(u8::is_ascii_digit).count();
    let number: u64 = trimmed[..digits].parse().map_err(|_| wrong())?;
    let factor: u64 = match trimmed[digits..].trim_start() {
        "" | "B" => 1,
        "kB" | "KB" => 1000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" => 1 << 30,
        "TB" => 1_000_000_000_000,
        "TiB" => 1 << 40,
        _ => return Err(wrong()),
    };
    number.checked_mul(factor).map(ByteCount).ok_or_else(wrong)
}

/// A size for people, in binary units.
pub(crate) fn show_size(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let mut unit = 0;
    let mut scaled = bytes;
    let mut rest = 0;
    while scaled >= 1024 && unit + 1 < UNITS.len() {
        rest = scaled % 1024;
        scaled /= 1024;
        unit += 1;
    }
    match UNITS.get(unit) {
        Some(name) if unit > 0 && scaled < 10 => format!("{scaled}.{} {name}", rest * 10 / 1024),
        Some(name) => format!("{scaled} {name}"),
        None => format!("{bytes} B"),
    }
}

/// A file mode in octal.
pub(crate) fn mode(text: &str) -> Result<FileMode, String> {
    match u32::from_str_radix(text, 8) {
        Ok(bits) if bits <= 0o7777 => Ok(FileMode::new(bits)),
        _ => Err(format!("{text:?} is not a mode; write for instance 0644")),
    }
}

/// An owner as the command line takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OwnerArg {
    /// By number.
    Numeric(Owner),
    /// By the login of an account on the decoy.
    Login(String),
}

impl FromStr for OwnerArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (user, group) = text.split_once(':').unwrap_or((text, text));
        match (user.parse(), group.parse()) {
            (Ok(uid), Ok(gid)) => Ok(Self::Numeric(Owner { uid, gid })),
            _ if is_login(text) => Ok(Self::Login(text.to_owned())),
            _ => Err(format!("{text:?} is neither UID:GID nor a login")),
        }
    }
}

/// A text of 1 to 200 characters, without control characters and direction marks: what is written into files on decoys as it stands.
pub(crate) fn short_text(text: &str) -> Result<String, String> {
    let fits = (1..=200).contains(&text.chars().count()) && !text.chars().any(is_deceptive);
    match fits && text.trim() == text {
        true => Ok(text.to_owned()),
        false => Err("write 1 to 200 printable characters, without blanks around them".to_owned()),
    }
}

/// A day of the week as `week` has it: `mon`.
pub(crate) fn weekday(text: &str) -> Result<Weekday, String> {
    let place = WEEKDAYS.iter().position(|name| *name == text.to_ascii_lowercase());
    let day = place.and_then(|place| i8::try_from(place).ok());
    day.and_then(|day| Weekday::from_monday_zero_offset(day).ok())
        .ok_or_else(|| format!("{text:?} is no day; days are {}", WEEKDAYS.join(", ")))
}

/// The days of the week, Monday first.
pub(crate) const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// A time of day, `09:30`, as minutes since midnight.
pub(crate) fn minute_of_day(text: &str) -> Result<u32, String> {
    let wrong = || format!("{text:?} is no time of day; write for instance 09:30");
    let digits = |text: &str| {
        let fits = (1..=2).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        if fits { text.parse::<u32>().ok() } else { None }
    };
    let (hour, minute) = text.split_once(':').ok_or_else(wrong)?;
    match (digits(hour), digits(minute)) {
        (Some(hour @ 0..24), Some(minute @ 0..60)) => Ok(hour * 60 + minute),
        _ => Err(wrong()),
    }
}

/// Whether `text` can be the login of an account: the rule of Debian's `adduser`, up to 32 characters.
pub(crate) fn is_login(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= 32
        && bytes.next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_')
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spans_sizes_modes_and_owners() {
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(
            duration("10 m"),
            Err("\"10 m\" is not a span of time; write for instance 90s, 10m, 24h or 2d".into())
        );
        assert!(duration("").is_err() && duration("10").is_err() && duration("9999999d").is_err());
        assert_eq!(size("64KiB"), Ok(ByteCount(65_536)));
        assert!(size("1e3").is_err() && size("99999999999TiB").is_err());
        assert_eq!(mode("0640"), Ok(FileMode::new(0o640)));
        assert!(mode("99").is_err() && mode("10000").is_err());
        assert_eq!("1000".parse(), Ok(OwnerArg::Numeric(Owner { uid: 1000, gid: 1000 })));
        assert_eq!("mkeller".parse(), Ok(OwnerArg::Login("mkeller".into())));
        assert!("M Keller".parse::<OwnerArg>().is_err());
        assert_eq!(show_size(1536), "1.5 KiB");
        assert_eq!(show_size(u64::MAX), "16383 PiB");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*") {
            let _ = duration(&text);
            let _ = size(&text);
            let _ = mode(&text);
            let _ = text.parse::<OwnerArg>();
        }
    }
}
