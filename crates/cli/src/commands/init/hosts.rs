//! Hosts that the user's own configuration of SSH names, for `init`: offered as comments, and never connected to.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::Path;

use super::{name_for, quote};
use crate::context::Context;

/// How many are offered at the most: who has more takes the example.
const HOSTS_MAX: usize = 50;

/// The hosts that are named without a pattern, each with a name for a decoy. A configuration that cannot be read names none;
/// that is said.
pub(super) fn look(context: &Context, taken: &mut HashSet<String>) -> Vec<(String, String)> {
    let hosts = crate::hosts::own().map(|own| own.hosts());
    let hosts = hosts.unwrap_or_else(|why| {
        context.output.message(format!("no hosts of ~/.ssh/config: {why}"));
        Vec::new()
    });
    let fitting = hosts.into_iter().filter(|host| crate::config::is_host(host));
    fitting.take(HOSTS_MAX).map(|host| (name_for(Path::new(&host), "host", taken), host)).collect()
}

/// How they stand in the configuration.
pub(super) fn text(out: &mut String, hosts: &[(String, String)]) {
    if hosts.is_empty() {
        return;
    }
    out.push_str(
        "\n# Hosts that ~/.ssh/config names; none was connected to. Whichever is a decoy, and nothing else, becomes one here without\n\
         # the #, once `personas` says who works there; then `verisim decoy trust NAME` shows its key.\n",
    );
    for (name, host) in hosts {
        let (name, host) = (quote(name), quote(host));
        let _ = write!(
            out,
            "\n# [[decoy]]\n# name = {name}\n# connector = {{ ssh = {{ host = {host} }} }}\n# role = \"server\"\n# personas = []\n"
        );
    }
}
