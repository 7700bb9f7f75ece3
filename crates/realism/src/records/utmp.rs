//! The binary records of logins, as glibc lays them out on x86-64: `struct utmp` of 384 bytes, `struct lastlog` of 292.

use std::net::IpAddr;

/// The size of a record of utmp, wtmp and btmp.
pub(super) const RECORD: usize = 384;
/// The size of a place in lastlog.
pub(super) const LAST: usize = 292;

/// What a record tells: `ut_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `RUN_LVL`: the system reached a run level, or goes down.
    RunLevel = 1,
    /// `BOOT_TIME`: the system was started.
    Boot = 2,
    /// `LOGIN_PROCESS`: something waits for a login; in btmp, a login failed.
    Waiting = 6,
    /// `USER_PROCESS`: somebody logged in.
    Login = 7,
    /// `DEAD_PROCESS`: the session ended.
    Logout = 8,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) kind: Kind,
    /// Nanoseconds since 1970.
    pub(super) at: i64,
    pub(super) pid: u32,
    pub(super) line: String,
    pub(super) id: String,
    pub(super) user: String,
    pub(super) host: String,
    pub(super) address: Option<IpAddr>,
}

impl Record {
    /// Writes the record as it lies in the file.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let mut bytes = [0_u8; RECORD];
        put(&mut bytes, 0, &(self.kind as i16).to_le_bytes());
        put(&mut bytes, 4, &self.pid.to_le_bytes());
        text(&mut bytes, 8, 32, &self.line);
        text(&mut bytes, 40, 4, &self.id);
        text(&mut bytes, 44, 32, &self.user);
        text(&mut bytes, 76, 256, &self.host);
        // 332: the exit status of what died; 336: the session. Nobody on Linux fills them in.
        put(&mut bytes, 340, &seconds(self.at).to_le_bytes());
        let micros = i32::try_from(self.at.rem_euclid(1_000_000_000) / 1000).unwrap_or(0);
        put(&mut bytes, 344, &micros.to_le_bytes());
        match self.address {
            Some(IpAddr::V4(address)) => put(&mut bytes, 348, &address.octets()),
            Some(IpAddr::V6(address)) => put(&mut bytes, 348, &address.octets()),
            None => {}
        }
        out.extend_from_slice(&bytes);
    }
}

/// `ut_id` of a terminal: the last four letters of its name.
pub(super) fn id_of(line: &str) -> String {
    let name = line.strip_prefix("tty").filter(|_| line.len() > 4).unwrap_or(line);
    name.get(name.len().saturating_sub(4)..).unwrap_or(name).to_owned()
}

/// The time of a record: of 32 bits, so it ends in 2038, as it does on every such system.
fn seconds(at: i64) -> i32 {
    i32::try_from(at.div_euclid(1_000_000_000)).unwrap_or(i32::MAX)
}

fn put(bytes: &mut [u8], at: usize, what: &[u8]) {
    if let Some(place) = bytes.get_mut(at..at + what.len()) {
        place.copy_from_slice(what);
    }
}

fn text(bytes: &mut [u8], at: usize, room: usize, text: &str) {
    let text = text.as_bytes();
    put(bytes, at, text.get(..room).unwrap_or(text));
}

/// When the first and the last record of a file were written, in seconds. `None` for a file without a whole record.
pub(super) fn span(bytes: &[u8]) -> Option<(i64, i64)> {
    let times = bytes.chunks_exact(RECORD).filter_map(|record| {
        let seconds = i32::from_le_bytes(record.get(340..344)?.try_into().ok()?);
        (seconds > 0).then_some(i64::from(seconds))
    });
    times.fold(None, |span, at| {
        let (from, to): (i64, i64) = span.unwrap_or((at, at));
        Some((from.min(at), to.max(at)))
    })
}

/// The last login of one user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LastLogin {
    pub(super) at: i64,
    pub(super) line: String,
    pub(super) host: String,
}

/// The place of a user in lastlog, and what a last login leaves there.
pub(super) fn place_of(uid: u32, last: &LastLogin) -> (u64, Vec<u8>) {
    let mut place = Vec::new();
    enter(&mut place, 0, last);
    (u64::from(uid) * LAST as u64, place)
}

/// Enters a last login in the place of its user, unless a later one stands there.
pub(super) fn enter(lastlog: &mut Vec<u8>, uid: u32, last: &LastLogin) {
    let from = uid as usize * LAST;
    if lastlog.len() < from + LAST {
        lastlog.resize(from + LAST, 0);
    }
    let Some(place) = lastlog.get_mut(from..from + LAST) else { return };
    let before = place.get(..4).and_then(|four| four.try_into().ok()).map_or(0, i32::from_le_bytes);
    let at = seconds(last.at);
    if before < at {
        place.fill(0);
        put(place, 0, &at.to_le_bytes());
        text(place, 4, 32, &last.line);
        text(place, 36, 256, &last.host);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_lies_as_glibc_lays_it_out() {
        let record = Record {
            kind: Kind::Login,
            at: 1_700_000_000_123_456_789,
            pid: 4321,
            line: "pts/12".to_owned(),
            id: id_of("pts/12"),
            user: "mkeller".to_owned(),
            host: "10.0.0.5".to_owned(),
            address: Some("10.0.0.5".parse().unwrap()),
        };
        let mut bytes = Vec::new();
        record.write(&mut bytes);
        assert_eq!(bytes.len(), RECORD);
        assert_eq!(
            (bytes[0], &bytes[4..8], &bytes[8..15]),
            (7, &4321_u32.to_le_bytes()[..], &b"pts/12\0"[..])
        );
        assert_eq!((&bytes[40..44], &bytes[44..52]), (&b"s/12"[..], &b"mkeller\0"[..]));
        assert_eq!(bytes[340..348], [1_700_000_000_i32.to_le_bytes(), 123_456_i32.to_le_bytes()].concat());
        assert_eq!(bytes[348..352], [10, 0, 0, 5]);
        assert_eq!(span(&bytes), Some((1_700_000_000, 1_700_000_000)));
        assert_eq!(span(&bytes[..300]), None);
    }

    #[test]
    fn a_last_login_never_replaces_a_later_one() {
        let login =
            |second: i64| LastLogin { at: second * 1_000_000_000, line: "pts/0".into(), host: "h".into() };
        let mut bytes = Vec::new();
        enter(&mut bytes, 2, &login(2000));
        enter(&mut bytes, 2, &login(1000));
        enter(&mut bytes, 0, &login(1500));
        assert_eq!(bytes.len(), 3 * LAST);
        let second = |uid: usize| i32::from_le_bytes(bytes[uid * LAST..uid * LAST + 4].try_into().unwrap());
        assert_eq!([second(0), second(1), second(2)], [1500, 0, 2000]);
    }
}
