//! What the daemon says while it runs: on standard error, one bounded line a message.

use std::io::{self, Write};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::args::{Global, LogFormat};
use crate::output::Output;

/// The longest line, in bytes.
const LINE_BYTES_MAX: usize = 4096;

/// Begins to log. `VERISIM_LOG` refines what is shown, in the manner of `RUST_LOG`; `loud` is what is shown without -v.
pub(crate) fn start(global: &Global, output: Output, format: LogFormat, loud: LevelFilter) {
    let level = match (global.quiet, global.verbose) {
        (true, _) => LevelFilter::ERROR,
        (false, 0) => loud,
        (false, 1) => LevelFilter::DEBUG,
        (false, _) => LevelFilter::TRACE,
    };
    let filter = EnvFilter::builder()
        .with_default_directive(level.into())
        .with_env_var("VERISIM_LOG")
        .from_env_lossy();
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(Lines).with_target(false);
    // A second start in one process changes nothing: the first one stays.
    let _ = match format {
        LogFormat::Text => builder.with_ansi(output.color_messages).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).with_ansi(false).try_init(),
    };
}

/// Writes lines to standard error, each cut to a bound.
struct Lines;

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        Self
    }
}

impl Write for Lines {
    /// One call is one message.
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        let mut out = io::stderr().lock();
        if message.len() > LINE_BYTES_MAX {
            let cut = &message[..LINE_BYTES_MAX];
            out.write_all(String::from_utf8_lossy(cut).trim_end_matches('\u{fffd}').as_bytes())?;
            out.write_all(b"\n")?;
        } else {
            out.write_all(message)?;
        }
        Ok(message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
