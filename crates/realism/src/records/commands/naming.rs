//! Names of files as they are typed.

use verisim_core::DecoyPath;

use super::Hands;
use crate::records::lived::SECOND;
use crate::records::typing::{Session, escaped};

impl Hands<'_> {
    /// The file as it is typed; who walks is in its folder by then.
    pub(super) fn name(&mut self, path: &DecoyPath, at: i64, typed: &mut Session) -> String {
        if self.walks
            && path.starts_with(&self.persona.home)
            && let Some(parent) = path.parent()
            && typed.folder.as_ref() != Some(&parent)
        {
            let at_home = parent == self.persona.home;
            if !(at_home && typed.folder.is_none()) {
                let text =
                    if at_home { "cd".to_owned() } else { format!("cd ~/{}", self.below_home(&parent)) };
                typed.add(at - SECOND, text, None);
                typed.folder = Some(parent);
            }
        }
        self.name_from(path, typed.folder.as_ref())
    }

    /// The file as it is typed in a folder; `None` is the home.
    pub(super) fn name_from(&self, path: &DecoyPath, folder: Option<&DecoyPath>) -> String {
        match folder {
            Some(folder) if path.parent().as_ref() == Some(folder) => {
                escaped(&String::from_utf8_lossy(path.file_name().unwrap_or_default()))
            }
            Some(_) if path.starts_with(&self.persona.home) => format!("~/{}", self.below_home(path)),
            _ => self.name_from_home(path),
        }
    }

    pub(super) fn name_from_home(&self, path: &DecoyPath) -> String {
        if path.starts_with(&self.persona.home) {
            self.below_home(path)
        } else {
            escaped(&String::from_utf8_lossy(path.as_bytes()))
        }
    }

    fn below_home(&self, path: &DecoyPath) -> String {
        let rest = path.as_bytes().get(self.persona.home.as_bytes().len() + 1..).unwrap_or_default();
        escaped(&String::from_utf8_lossy(rest))
    }
}
