//! How decoys are reached.

use std::path::PathBuf;

use verisim_connect::{ContainerName, EngineAddress, Reach, TlsFiles};

use super::check::{self, Kind};
use super::model::{ConnectorConfig, DockerConfig};
use super::read::Reader;
use super::section::{At, Section};
use super::ssh::read_ssh;

const ROOTFS_EXAMPLE: &str = "{ rootfs = { path = \"/srv/decoys/files01\" } }";
const DOCKER_EXAMPLE: &str = "{ docker = { container = \"files01-ssh\" } }";
const SSH_EXAMPLE: &str = "{ ssh = { host = \"files01\" } }";
const TLS_EXAMPLE: &str = "{ ca = \"ca.pem\", certificate = \"cert.pem\", key = \"key.pem\" }";

/// Reads the way to a decoy.
pub(super) fn read_connector(section: &Section<'_>, reader: &Reader<'_>) -> Option<ConnectorConfig> {
    if section.value("connector").is_none() {
        section.missing("connector", &format!("{ROOTFS_EXAMPLE}, {DOCKER_EXAMPLE}, or {SSH_EXAMPLE}"));
    }
    let connector = section.table("connector", "connector", DOCKER_EXAMPLE)?;
    let name = section.peek("name").unwrap_or_default();
    let rootfs = connector
        .table("rootfs", "rootfs", "{ path = \"/srv/decoys/files01\" }")
        .and_then(|rootfs| read_rootfs(rootfs, name, reader));
    let docker = connector
        .table("docker", "docker", "{ container = \"files01-ssh\" }")
        .and_then(|docker| read_docker(docker, name, reader));
    let ssh =
        connector.table("ssh", "ssh", "{ host = \"files01\" }").and_then(|ssh| read_ssh(ssh, name, reader));
    let named = ["rootfs", "docker", "ssh"].into_iter().filter(|key| connector.value(key).is_some()).count();
    if named != 1 {
        let ways = if named == 0 { "no way" } else { "more than one way" };
        connector.mistake(
            connector.span.clone(),
            format!("the connector names {ways} to the decoy"),
            format!("write {ROOTFS_EXAMPLE}, {DOCKER_EXAMPLE}, or {SSH_EXAMPLE}"),
        );
    }
    connector.finish();
    rootfs.or(docker).or(ssh)
}

fn read_rootfs(rootfs: Section<'_>, name: &str, reader: &Reader<'_>) -> Option<ConnectorConfig> {
    if rootfs.value("path").is_none() {
        rootfs.missing("path", "\"/srv/decoys/files01\"");
    }
    let root = reader.named_folder(&rootfs, "path", "/srv/decoys/files01", Kind::Decoy, name);
    rootfs.finish();
    root.map(ConnectorConfig::Rootfs)
}

fn read_docker(docker: Section<'_>, decoy: &str, reader: &Reader<'_>) -> Option<ConnectorConfig> {
    if docker.value("container").is_none() {
        docker.missing("container", "\"files01-ssh\"");
    }
    let container = docker.parsed::<ContainerName>("container", "files01-ssh");
    let engine = read_engine_of(&docker, reader);
    let exec = docker.flag("exec").unwrap_or(false);
    let config = container.zip(engine).map(|(container, (host, reach))| {
        reader.container(&host, &container, decoy, &docker);
        ConnectorConfig::Docker(DockerConfig { container: container.value, host, reach, exec })
    });
    docker.finish();
    config
}

/// Where an engine listens, and the way to the files of its containers.
pub(super) fn read_engine_of(
    docker: &Section<'_>,
    reader: &Reader<'_>,
) -> Option<(EngineAddress, Option<Reach>)> {
    let is_named = docker.value("host").is_some();
    let host = docker.parsed::<EngineAddress>("host", "unix:///var/run/docker.sock");
    let has_tls = docker.value("tls").is_some();
    let tls = docker.table("tls", "tls", TLS_EXAMPLE).map(|tls| read_tls(tls, reader));
    let reach = docker.parse_with("path", "auto", |text| match text {
        "auto" => Ok(None),
        "fast" => Ok(Some(Reach::Fast)),
        "portable" => Ok(Some(Reach::Portable)),
        other => Err(format!("{other:?} is neither \"auto\", \"fast\" nor \"portable\"")),
    });
    let host = match host {
        Some(host) => host.value,
        None if is_named => return None,
        None => EngineAddress::default(),
    };
    let is_socket = matches!(host, EngineAddress::Socket(_));
    if let (Some(At { value: Some(Reach::Fast), span }), false) = (&reach, is_socket) {
        let what = "the fast path takes an engine that is reached by a socket of this machine";
        docker.mistake(
            span.clone(),
            what,
            "leave `path` out, or name that socket with host = \"unix:///..\"",
        );
    }
    if has_tls && is_socket {
        let what = "`tls` is for an engine that is reached by TCP";
        docker.mistake(docker.place_of("tls"), what, "leave it out, or write host = \"tcp://host:2376\"");
    }
    let host = match (host, has_tls, tls.flatten()) {
        (EngineAddress::Tcp(host), true, Some(tls)) => EngineAddress::Tls(host, tls),
        (EngineAddress::Tcp(_), true, None) => return None,
        (host, _, _) => host,
    };
    Some((host, reach.and_then(|reach| reach.value)))
}

fn read_tls(tls: Section<'_>, reader: &Reader<'_>) -> Option<TlsFiles> {
    let file = |key, example| -> Option<PathBuf> {
        if tls.value(key).is_none() {
            tls.missing(key, &format!("\"{example}\""));
        }
        tls.parse_with(key, example, |text| check::folder(text).map(|()| reader.absolute(text)))
            .map(|file| file.value)
    };
    let authority = file("ca", "ca.pem");
    let certificate = file("certificate", "cert.pem");
    let key = file("key", "key.pem");
    tls.finish();
    Some(TlsFiles { authority: authority?, certificate: certificate?, key: key? })
}
