//! The ssh connector, against a real sshd: the contract of its port, a hostile decoy, servers that lie, and everything that
//! can go wrong in between.

#![expect(clippy::unwrap_used, clippy::panic, reason = "what a test prepares fails by panicking")]

mod decoy;
mod failures;
mod faults;
mod liars;
mod rests;
mod visits;

mod over_sftp {
    verisim_testkit::connector_suite!(match crate::decoy::SshDecoy::over_sftp().await {
        Some(decoy) => decoy,
        None => return,
    });
}

mod over_sftp_hostile {
    verisim_testkit::hostile_suite!(match crate::decoy::SshDecoy::over_sftp().await {
        Some(decoy) => decoy,
        None => return,
    });
}

/// A server that has no SFTP.
mod over_commands {
    verisim_testkit::connector_suite!(match crate::decoy::SshDecoy::over_commands().await {
        Some(decoy) => decoy,
        None => return,
    });
}

mod over_commands_hostile {
    verisim_testkit::hostile_suite!(match crate::decoy::SshDecoy::over_commands().await {
        Some(decoy) => decoy,
        None => return,
    });
}
