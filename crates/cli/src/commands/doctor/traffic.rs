//! Connections between decoys: what others reach, and who can log in to it.

use verisim_core::Service;
use verisim_ssh::{Secret, check_identity};

use super::{Check, Sheet};
use crate::config::{DecoyConfig, PersonaConfig, SshKey};
use crate::error::show;
use crate::secrets;
use crate::wire::Wired;

/// Says what other decoys reach here. Where none of them can open a connection, there is nothing to say.
pub(super) fn look_at_services(sheet: &mut Sheet, wired: &Wired, decoy: &DecoyConfig) {
    let spoken: Vec<&str> =
        decoy.services.iter().map(String::as_str).filter(|word| Service::parse(word).is_some()).collect();
    let others = wired.config.decoys.iter().filter(|other| other.name != decoy.name);
    let mut members = others.filter_map(|other| wired.fleet.get(&other.name));
    let is_visited = members.any(|member| member.connector.capabilities().dial);
    if spoken.is_empty() || !is_visited || wired.config.life.effects.traffic == 0 {
        return;
    }
    let spoken = spoken.join(", ");
    match decoy.address {
        Some(address) => sheet.good(Check::Traffic, format!("others find {spoken} at {address}")),
        None => sheet.warn(
            Check::Traffic,
            format!("it offers {spoken}, but others have no address of it: nobody visits it"),
            "add the address by which the other decoys reach it: address = \"192.0.2.10\"",
        ),
    }
}

/// Whether what personas log in with can be had.
pub(super) fn look_at_secrets(wired: &Wired) -> Vec<Sheet> {
    let has_any = |persona: &&PersonaConfig| persona.password.is_some() || persona.ssh_key.is_some();
    wired.config.personas.iter().filter(has_any).map(look_at_secrets_of).collect()
}

fn look_at_secrets_of(persona: &PersonaConfig) -> Sheet {
    let mut sheet = Sheet::of(format!("persona {}", persona.name));
    const MEND: &str = "mend it for the user, and in the environment, that `verisim up` runs with";
    let mut tell = |what: &str, found: Result<(), String>, mend: &str| match found {
        Ok(()) => sheet.good(Check::Secrets, format!("its {what} is there")),
        Err(why) => sheet.warn(Check::Secrets, format!("it cannot log in with its {what}: {why}"), mend),
    };
    if let Some(source) = &persona.password {
        tell("password", secrets::check(source), MEND);
    }
    if let Some(key) = &persona.ssh_key {
        let mend = match key.passphrase {
            Some(_) => MEND,
            None => {
                "if it is encrypted, say beside `ssh_key` where its passphrase is: ssh_passphrase = { env = \"NAME\" }; \
                 else mend it for the user that `verisim up` runs as"
            }
        };
        tell("SSH key", look_at_key(key), mend);
    }
    sheet
}

/// Whether a key is there, for its owner alone, and can be opened.
fn look_at_key(key: &SshKey) -> Result<(), String> {
    secrets::check_file(&key.file)?;
    let passphrase = key.passphrase.as_ref().map(secrets::text).transpose()?.map(Secret::new);
    check_identity(&key.file, passphrase.as_ref()).map_err(|why| format!("{}: {why}", show(&key.file)))
}
