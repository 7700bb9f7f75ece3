//! The steps over commands, for servers without SFTP.
//!
//! Each step is one command line for the login shell, built of quoted words; content goes through standard input. GNU's
//! coreutils and find are needed there: their `dd` opens without waiting and without following links, and leaves access
//! times alone. What a command says on failure is read here, once, and only the end of its last line, where the words of
//! the C library stand in the C locale; names stand before that.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use verisim_core::{ByteCount, DecoyPath, FileKind};
use verisim_ssh::sftp::{Attributes, SetAttributes, Space, Status};
use verisim_ssh::{Command, Error, Result, Session};

use super::remote::{Adding, Appended, Fetched, Making, Path, Remote, Wanted};
use super::script::{
    SPACE, STAT, Script, attributes, content_max, dressing, failure, fetched, garbled, line, reading,
    renaming, space,
};

/// How long a command may take.
const COMMAND_TIME_MAX: Duration = Duration::from_secs(25);
/// How much a command may say besides content.
const TALK_BYTES_MAX: u64 = 64 * 1024;
/// How long the name of an entry is at the most, with its kind and the NUL.
const ENTRY_BYTES_MAX: u64 = 260;
/// How often a file is read anew that changes while it is read.
const ATTEMPTS_MAX: usize = 3;

/// A host over commands.
pub(super) struct OverCommands {
    pub(super) session: Arc<Session>,
    /// Whether we are root there, and may read without moving access times.
    pub(super) root: bool,
}

impl OverCommands {
    async fn run(&self, doing: &'static str, script: Script, stdin: Bytes, content: u64) -> Result<Bytes> {
        let command = Command {
            line: script.0,
            stdin,
            time_max: COMMAND_TIME_MAX,
            output_max: ByteCount(content.saturating_add(TALK_BYTES_MAX)),
        };
        let output = self.session.run(&command).await?;
        if output.code == Some(0) {
            return Ok(output.stdout);
        }
        Err(failure(doing, &output.stderr))
    }

    async fn say(&self, doing: &'static str, script: Script) -> Result<Bytes> {
        self.run(doing, script, Bytes::new(), 0).await
    }

    async fn attributes(&self, path: &Path, how: &str) -> Result<Option<Attributes>> {
        let script = Script::new().word("stat ").word(how).word(" -c ").word(STAT).word(" -- ").path(path);
        match self.say("look at it", script).await {
            Ok(said) => attributes(&said).map(|(found, _)| Some(found)),
            Err(error) if error.status() == Some(Status::NoSuchFile) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Looks at several names with one command; what stat says of each, success or not, ends with a NUL.
    async fn attributes_of_all<'p>(
        &self,
        paths: impl Iterator<Item = &'p Path> + Send,
        how: &str,
    ) -> Result<Vec<Result<Option<Attributes>>>> {
        let mut script = Script::new();
        let mut count = 0;
        for path in paths {
            script = script.word("stat ").word(how).word(" -c ").word(STAT).word(" -- ").path(path);
            script = script.word(" 2>&1; printf '\\0'; ");
            count += 1;
        }
        let said = self.say("look at them", script).await?;
        let told: Vec<_> = said.split(|byte| *byte == 0).take(count).map(told_of).collect();
        if told.len() == count { Ok(told) } else { Err(garbled()) }
    }

    /// What leads to no directory, or in a circle, is none.
    fn only_directory(&self, found: Result<Option<Attributes>>) -> Result<Option<Attributes>> {
        match found {
            Ok(found) => Ok(found.filter(|found| found.kind() == Some(FileKind::Directory))),
            // A loop of links leads to no directory.
            Err(error) if error.status() == Some(Status::PermissionDenied) && self.root => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn fetch_once(&self, path: &Path, wanted: Wanted) -> Result<Option<Fetched>> {
        let script = reading(Script::new(), path, wanted, self.root);
        match self.run("read it", script, Bytes::new(), content_max(wanted)).await {
            Ok(said) => fetched(&said, wanted),
            Err(error) if error.status() == Some(Status::NoSuchFile) => Ok(Some(Fetched::Absent)),
            Err(error) => Err(error),
        }
    }
}

/// What stat said of one name.
fn told_of(said: &[u8]) -> Result<Option<Attributes>> {
    match attributes(said) {
        Ok((found, _)) => Ok(Some(found)),
        Err(_) => match failure("look at it", said) {
            error if error.status() == Some(Status::NoSuchFile) => Ok(None),
            error => Err(error),
        },
    }
}

#[async_trait]
impl Remote for OverCommands {
    fn may_reconnect(&self) -> bool {
        self.session.is_closed()
    }

    async fn lstat(&self, path: &Path) -> Result<Option<Attributes>> {
        self.attributes(path, "").await
    }

    async fn directory(&self, path: &Path) -> Result<Option<Attributes>> {
        self.only_directory(self.attributes(path, "-L").await)
    }

    async fn lstat_all(&self, paths: &[Vec<u8>]) -> Result<Vec<Option<Attributes>>> {
        let found = self.attributes_of_all(paths.iter().map(Vec::as_slice), "").await?;
        found.into_iter().collect()
    }

    async fn directories(&self, paths: &[&Path]) -> Result<Vec<Result<Option<Attributes>>>> {
        let found = self.attributes_of_all(paths.iter().copied(), "-L").await?;
        Ok(found.into_iter().map(|found| self.only_directory(found)).collect())
    }

    async fn space(&self, path: &Path) -> Result<Option<Space>> {
        let script = Script::new().word("stat -f -c ").word(SPACE).word(" -- ").path(path);
        space(&self.say("look at its file system", script).await?).map(Some)
    }

    async fn place(&self, path: &Path) -> Result<Option<(Attributes, Option<Space>)>> {
        let script = Script::new().word("stat -L -c ").word(STAT).word(" -- ").path(path);
        let script = script.word(" && stat -f -c ").word(SPACE).word(" -- ").path(path);
        let said = match self.say("look at where it leads", script).await {
            Ok(said) => said,
            Err(error) if error.status() == Some(Status::NoSuchFile) => return Ok(None),
            Err(error) => return Err(error),
        };
        let (head, rest) = line(&said)?;
        let (found, _) = attributes(&head)?;
        if found.kind() != Some(FileKind::Directory) {
            return Ok(None);
        }
        Ok(Some((found, Some(space(&rest)?))))
    }

    async fn links(&self, path: &DecoyPath) -> Result<Option<u64>> {
        let script = Script::new().word("stat -c ").word(STAT).word(" -- ").path(path.as_bytes());
        attributes(&self.say("look at it", script).await?).map(|(_, links)| Some(links))
    }

    async fn fetch(&self, path: &Path, wanted: Wanted) -> Result<Fetched> {
        let mut last = garbled();
        for _ in 0..ATTEMPTS_MAX {
            match self.fetch_once(path, wanted).await {
                Ok(Some(fetched)) => return Ok(fetched),
                Ok(None) => {}
                Err(error) if error.is_answer() => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    async fn make(&self, path: &Path, file: Making<'_>) -> Result<bool> {
        let set = SetAttributes { owner: file.owner, mode: Some(file.mode), times: file.times };
        let flush = if file.durable { ",fsync" } else { "" };
        let mut script = Script::new()
            .word("umask 077; dd of=")
            .path(path)
            .word(" conv=excl count=0 status=none || exit; { dd of=")
            .path(path)
            .word(&format!(" conv=notrunc{flush} bs=65536 status=none && "));
        script.0.extend(dressing(&set, path).0);
        let script = script.word("; } || { rm -f -- ").path(path).word("; exit 1; }");
        let said = self.run("make it", script, file.body.clone(), 0).await?;
        Ok(said.is_empty())
    }

    async fn append(&self, path: &Path, adding: Adding<'_>, written: &mut bool) -> Result<Appended> {
        let before = self.lstat(path).await?.filter(|found| found.kind() == Some(FileKind::Regular));
        let before = before.ok_or_else(garbled)?;
        let set = SetAttributes {
            owner: adding.owner.filter(|owner| before.owner != Some(*owner)),
            mode: adding.mode,
            times: None,
        };
        let flush = if adding.durable { ",fsync" } else { "" };
        // What comes is kept until all of it is there, as text, which is all that a shell can keep: a connection that breaks in
        // the middle of it adds nothing. Then it is one write: the block is as long as the body, and waits for all of it.
        let text_length = adding.body.len().div_ceil(3) * 4;
        let mut script = Script::new().word("b=$(base64 -w 0) || exit; ").word(&format!(
            "[ ${{#b}} = {text_length} ] || {{ echo 'the input ended too soon' >&2; exit 1; }}; "
        ));
        script.0.extend(dressing(&set, path).0);
        let script = script.word(" && printf %s \"$b\" | base64 -d | dd of=").path(path).word(&format!(
            " oflag=append,nofollow,nonblock conv=notrunc,nocreat{flush} iflag=fullblock bs={} status=none",
            adding.body.len().max(1)
        ));
        *written = true;
        let said = match self.run("add to it", script, adding.body.clone(), 0).await {
            Ok(said) => said,
            Err(error) => {
                let now = if error.is_answer() { self.lstat(path).await.ok().flatten() } else { None };
                *written = now.is_none_or(|now| now.size != before.size);
                return Err(error);
            }
        };
        if adding.times.is_some() {
            // A file of somebody else's may be added to, but only its owner sets its times.
            let set = SetAttributes { times: adding.times, ..SetAttributes::default() };
            match self.dress(path, set).await {
                Err(error) if !error.is_answer() => return Err(error),
                _ => {}
            }
        }
        Ok(Appended { size_before: before.size.unwrap_or(0), owner_set: said.is_empty() })
    }

    async fn rename_new(&self, from: &Path, to: &Path) -> Result<()> {
        self.say("rename it", renaming(from, to)).await.map(|_| ())
    }

    async fn appear(
        &self,
        from: &Path,
        to: &Path,
        _: &Bytes,
        wanted: Wanted,
    ) -> (Result<()>, Result<Fetched>) {
        let script = reading(renaming(from, to).word(" || exit; "), to, wanted, self.root);
        match self.run("rename it", script, Bytes::new(), content_max(wanted)).await {
            Ok(said) => {
                let found = match fetched(&said, wanted) {
                    Ok(Some(found)) => Ok(found),
                    Ok(None) => self.fetch(to, wanted).await,
                    Err(error) => Err(error),
                };
                (Ok(()), found)
            }
            // It may be the reading that failed; what stands there tells.
            Err(error) if error.is_answer() => match self.lstat(from).await {
                Ok(None) => (Ok(()), self.fetch(to, wanted).await),
                _ => (Err(error), self.fetch(to, wanted).await),
            },
            Err(error) => (Err(error.clone()), Err(error)),
        }
    }

    async fn rename_over(&self, from: &Path, to: &Path) -> Result<()> {
        let script = Script::new().word("mv -fT -- ").path(from).word(" ").path(to);
        self.say("rename it over what is there", script).await.map(|_| ())
    }

    async fn link(&self, from: &Path, to: &Path) -> Result<()> {
        let script = Script::new().word("ln -T -- ").path(from).word(" ").path(to);
        self.say("give it a second name", script).await.map(|_| ())
    }

    async fn displace(&self, name: &Path, kept: &Path, new: &Path) -> Result<()> {
        let script = Script::new()
            .word("rm -f -- ")
            .path(kept)
            .word(" && ln -T -- ")
            .path(name)
            .word(" ")
            .path(kept)
            .word(" && mv -fT -- ")
            .path(new)
            .word(" ")
            .path(name);
        self.say("put it in the place of the other", script).await.map(|_| ())
    }

    async fn remove(&self, path: &Path) -> Result<bool> {
        match self.say("remove it", Script::new().word("rm -- ").path(path)).await {
            Ok(_) => Ok(true),
            Err(error) if error.status() == Some(Status::NoSuchFile) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn make_directory(&self, path: &Path) -> Result<()> {
        self.say("make the directory", Script::new().word("mkdir -m 0700 -- ").path(path)).await.map(|_| ())
    }

    async fn remove_directory(&self, path: &Path) -> Result<()> {
        self.say("remove the directory", Script::new().word("rmdir -- ").path(path)).await.map(|_| ())
    }

    async fn dress(&self, path: &Path, set: SetAttributes) -> Result<()> {
        let mut script = Script::new();
        script.0.extend(dressing(&set, path).0);
        if self.say("set its attributes", script).await?.is_empty() {
            return Ok(());
        }
        let said = "the owner may not be set".to_owned();
        Err(Error::Status { doing: "set the owner", status: Status::PermissionDenied, said })
    }

    async fn set_seconds(&self, path: &Path, times: (u32, u32)) -> Result<()> {
        self.dress(path, SetAttributes { times: Some(times), ..SetAttributes::default() }).await
    }

    async fn list(&self, path: &Path, limit: usize) -> Result<(Vec<(Bytes, FileKind)>, bool)> {
        let script = Script::new()
            .word("find -H ")
            .path(path)
            .word(" -mindepth 1 -maxdepth 1 -printf '%y%f\\0' | head -z -n ")
            .word(&limit.saturating_add(1).to_string());
        let content = (limit as u64).saturating_add(1).saturating_mul(ENTRY_BYTES_MAX);
        let said = self.run("list the directory", script, Bytes::new(), content).await?;
        let mut out = Vec::new();
        for entry in said.split(|byte| *byte == 0).filter(|entry| entry.len() > 1) {
            if out.len() == limit {
                return Ok((out, true));
            }
            let kind = match entry[0] {
                b'f' => FileKind::Regular,
                b'd' => FileKind::Directory,
                b'l' => FileKind::Symlink,
                _ => FileKind::Special,
            };
            out.push((Bytes::copy_from_slice(&entry[1..]), kind));
        }
        Ok((out, false))
    }
}
