//! What is said on a connection: chosen with the plan, so that the plan explains itself. Nothing of it changes anything on
//! the other side.

use verisim_core::{Traffic, TrafficAsk, TrafficProtocol, TrafficStyle};

use crate::persona::Role;
use crate::random::{Generator, Purpose, whole};
use crate::voice::Voice;
use crate::world::DecoyIndex;

/// The pause before something is asked, in milliseconds: the median, the standard deviation of its logarithm, the longest.
const PAUSE_MS: (f64, f64, f64) = (1_800.0, 0.8, 9_000.0);
/// Browsers of a workstation: one stays on one machine.
const BROWSERS: [&str; 5] = [
    "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
];
/// Programs that fetch pages where nobody sits: a person sticks to one.
const FETCHERS: [&str; 4] = ["curl/7.88.1", "curl/7.88.1", "Wget/1.21.3", "python-requests/2.28.1"];
const LOOKING: [&str; 8] =
    ["ls -la", "uptime", "df -h", "date", "ls -lt | head", "du -sh .", "who", "cat /etc/os-release"];
const LOOKING_AFTER: [&str; 9] = [
    "uptime",
    "df -h",
    "free -m",
    "who",
    "ps aux --sort=-%mem | head -n 6",
    "tail -n 20 /var/log/syslog",
    "last -n 5",
    "systemctl --failed",
    "ss -tln",
];
/// What the client asks by itself comes first.
const CLIENT_QUERY: &str = "select @@version_comment limit 1";
const QUERIES: [&str; 7] = [
    "SHOW DATABASES",
    "SELECT CURRENT_USER()",
    "SELECT NOW()",
    "SELECT DATABASE()",
    "SHOW STATUS LIKE 'Uptime'",
    "SELECT table_schema, COUNT(*) FROM information_schema.tables GROUP BY table_schema",
    "SHOW VARIABLES LIKE 'version%'",
];

/// The session that a persona has with a decoy; `None` when that is of another world.
pub(crate) fn session(
    voice: &mut Voice<'_>,
    to: DecoyIndex,
    protocol: TrafficProtocol,
    port: u16,
) -> Option<Traffic> {
    let host = voice.world.seats().host(voice.slot.decoy)?;
    let sits = host.is_workstation;
    let works_there = voice.world.desk(voice.slot.persona, to).is_some();
    let mut traffic = Traffic::new(voice.world.decoy(to)?.name.clone(), protocol);
    traffic.port = Some(port);
    let account = |wanted: bool, voice: &Voice<'_>| wanted.then(|| voice.persona.login.clone());
    match protocol {
        TrafficProtocol::Http | TrafficProtocol::Https => {
            traffic.agent = Some(agent(voice, sits).to_owned());
            traffic.asks = vec![ask("/", 0)];
            if sits {
                traffic.style = TrafficStyle::Person;
                traffic.follow = u8::try_from(voice.draw.geometric(2.2) - 1).unwrap_or(u8::MAX).min(5);
            }
        }
        TrafficProtocol::Ssh => {
            traffic.login = account(works_there, voice);
            if works_there {
                let role = voice.world.seats().person(voice.slot.persona)?.role;
                let looks_after = matches!(role, Role::Administrator | Role::Developer);
                let commands: &[&str] = if looks_after { &LOOKING_AFTER } else { &LOOKING };
                traffic.asks = several(voice, commands, 3.0, 6);
            }
        }
        TrafficProtocol::Mysql => {
            traffic.login = account(true, voice);
            traffic.asks = vec![ask(CLIENT_QUERY, 0)];
            traffic.asks.extend(several(voice, &QUERIES, 2.0, 4));
        }
        TrafficProtocol::Imap => {
            traffic.login = account(true, voice);
            traffic.asks = vec![ask("STATUS INBOX (MESSAGES UNSEEN)", 0), ask("EXAMINE INBOX", pause(voice))];
        }
        TrafficProtocol::Smtp => traffic.asks = vec![ask("NOOP", pause(voice))],
        TrafficProtocol::Smb | TrafficProtocol::Tcp => {}
    }
    Some(traffic)
}

fn ask(text: &str, pause_ms: u32) -> TrafficAsk {
    TrafficAsk { ask: text.to_owned(), pause_ms }
}

fn pause(voice: &mut Voice<'_>) -> u32 {
    let (median, sigma, most) = PAUSE_MS;
    u32::try_from(whole(voice.draw.lognormal(median, sigma).min(most))).unwrap_or(0)
}

/// Some of a list, each once, in no particular order.
fn several(voice: &mut Voice<'_>, list: &[&str], mean: f64, most: u32) -> Vec<TrafficAsk> {
    let count = voice.draw.geometric(mean).min(most) as usize;
    let mut left = list.to_vec();
    let mut asks = Vec::with_capacity(count);
    while asks.len() < count && !left.is_empty() {
        let at = voice.draw.index(left.len());
        let text = left.swap_remove(at);
        asks.push(ask(text, pause(voice)));
    }
    asks
}

/// What asks for pages: on a workstation the machine's browser, elsewhere what the persona types.
fn agent(voice: &Voice<'_>, sits: bool) -> &'static str {
    if sits {
        let mut draw = Generator::new(voice.world.decoy_seed(voice.slot.decoy, Purpose::Network));
        draw.word(&BROWSERS)
    } else {
        let mut draw = Generator::new(voice.world.persona_seed(voice.slot.persona, Purpose::Network));
        draw.word(&FETCHERS)
    }
}
