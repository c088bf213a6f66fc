//! A Unix socket: its permissions, and the replacement of a socket that an earlier process has left.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _, lchown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use nix::fcntl::AT_FDCWD;
use nix::sys::stat::{FchmodatFlags, Mode, fchmodat};
use nix::unistd::{Group, User};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::Value;

/// The `[socket]` section of the settings; `config.default.toml` documents each one.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "config.default.toml documents every key")]
pub struct SocketSettings {
    #[serde(deserialize_with = "octal")]
    pub mode: u32,
    #[serde(default, deserialize_with = "owner")]
    pub owner: Option<Owner>,
}

impl Default for SocketSettings {
    fn default() -> Self {
        Self { mode: 0o600, owner: None }
    }
}

/// A user, a group, or both, by their names or numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    user: Option<String>,
    group: Option<String>,
}

/// A text that is no owner.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no owner, such as auth, auth:www-data or :www-data")]
pub struct OwnerError(String);

impl FromStr for Owner {
    type Err = OwnerError;

    fn from_str(text: &str) -> Result<Self, OwnerError> {
        let (user, group) = text.split_once(':').unwrap_or((text, ""));
        let given = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        if (user.is_empty() && group.is_empty()) || group.contains(':') {
            return Err(OwnerError(text.to_owned()));
        }
        Ok(Self { user: given(user), group: given(group) })
    }
}

impl Owner {
    /// Returns the numbers of the user and the group.
    fn ids(&self) -> io::Result<(Option<u32>, Option<u32>)> {
        let user = self
            .user
            .as_deref()
            .map(|name| id(name, "user", || Ok(User::from_name(name)?.map(|user| user.uid.as_raw()))));
        let group = self
            .group
            .as_deref()
            .map(|name| id(name, "group", || Ok(Group::from_name(name)?.map(|group| group.gid.as_raw()))));
        Ok((user.transpose()?, group.transpose()?))
    }
}

fn id(name: &str, what: &str, find: impl FnOnce() -> io::Result<Option<u32>>) -> io::Result<u32> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    find()?.ok_or_else(|| {
        io::Error::new(ErrorKind::NotFound, format!("socket.owner: there is no {what} named {name:?}"))
    })
}

/// A bound socket that no other process uses.
pub(crate) struct UnixSocket {
    pub(crate) listener: UnixListener,
    pub(crate) file: SocketFile,
}

/// Removes the file of a socket when it is dropped.
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Held while the socket is used, so that of two processes with the same path that start at once, one fails.
    _lock: File,
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path); // it may have been removed by hand
    }
}

impl UnixSocket {
    /// Binds the socket, and replaces one that no process listens on any more.
    ///
    /// # Errors
    /// Another process listens there; there is a file that is no socket; the owner does not exist or cannot be set.
    pub(crate) fn bind(path: &Path, settings: &SocketSettings) -> io::Result<Self> {
        let lock = lock(path)?;
        remove_stale(path)?;
        let (user, group) = settings.owner.as_ref().map_or(Ok((None, None)), Owner::ids)?;
        let listener = UnixListener::bind(path)?; // private by the umask, until the owner and the mode are set
        let socket = Self { listener, file: SocketFile { path: path.to_owned(), _lock: lock } };
        if user.is_some() || group.is_some() {
            lchown(path, user, group).map_err(|error| named("socket.owner", &error))?;
        }
        let mode = Mode::from_bits_truncate(settings.mode);
        fchmodat(AT_FDCWD, path, mode, FchmodatFlags::NoFollowSymlink)
            .map_err(|error| named("socket.mode", &error.into()))?;
        Ok(socket)
    }
}

fn named(setting: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{setting}: {error}"))
}

fn lock(path: &Path) -> io::Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(name)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(in_use()),
        Err(fs::TryLockError::Error(error)) => Err(error),
    }
}

fn in_use() -> io::Error {
    io::Error::new(ErrorKind::AddrInUse, "another process listens there")
}

/// Removes the socket of a process that was killed, and no other file.
fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            Err(io::Error::new(ErrorKind::AlreadyExists, "there is a file that is no socket"))
        }
        Ok(_) => match UnixStream::connect(path) {
            Ok(_) => Err(in_use()),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => fs::remove_file(path),
            Err(error) => Err(error),
        },
    }
}

/// Reads a mode as `chmod` takes it. A number in TOML would be decimal.
fn octal<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let wrong =
        || D::Error::custom("a mode is text of octal digits from \"0600\" to \"0777\", such as \"0660\"");
    let Value::String(text) = Value::deserialize(deserializer)? else { return Err(wrong()) };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let mode = u32::from_str_radix(&text, 8).ok().filter(|mode| digits && (0o600..=0o777).contains(mode));
    mode.ok_or_else(wrong)
}

fn owner<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Owner>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?.filter(|text| !text.is_empty());
    text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    use super::*;

    fn kind_of(bound: io::Result<UnixSocket>) -> ErrorKind {
        bound.map(drop).unwrap_err().kind()
    }

    #[test]
    fn a_socket_has_the_mode_of_the_settings_and_is_gone_with_its_user() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.sock");
        let owner = fs::metadata(folder.path()).unwrap();
        let owner = format!("{}:{}", owner.uid(), owner.gid()).parse().ok();
        for mode in [0o600, 0o660, 0o666] {
            let socket = UnixSocket::bind(&path, &SocketSettings { mode, owner: owner.clone() }).unwrap();
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
            drop(socket);
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_stale_socket_is_replaced_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let (path, defaults) = (folder.path().join("a.sock"), SocketSettings::default());
        let first = UnixSocket::bind(&path, &defaults).unwrap();
        assert_eq!(kind_of(UnixSocket::bind(&path, &defaults)), ErrorKind::AddrInUse);
        assert!(path.exists(), "the refused one left it alone");
        drop(first);
        let foreign = UnixListener::bind(&path).unwrap(); // does not use the lock
        assert_eq!(kind_of(UnixSocket::bind(&path, &defaults)), ErrorKind::AddrInUse);
        drop(foreign);
        drop(UnixSocket::bind(&path, &defaults).unwrap());
        fs::write(&path, "a letter").unwrap();
        assert_eq!(kind_of(UnixSocket::bind(&path, &defaults)), ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "a letter");
    }

    #[test]
    fn an_owner_is_a_user_a_group_or_both() {
        let owner = |user: Option<&str>, group: Option<&str>| Owner {
            user: user.map(str::to_owned),
            group: group.map(str::to_owned),
        };
        assert_eq!("auth".parse(), Ok(owner(Some("auth"), None)));
        assert_eq!("auth:33".parse(), Ok(owner(Some("auth"), Some("33"))));
        assert_eq!(":www-data".parse(), Ok(owner(None, Some("www-data"))));
        for wrong in ["", ":", "a:b:c"] {
            assert!(wrong.parse::<Owner>().is_err(), "{wrong}");
        }
        assert_eq!(owner(Some("root"), Some("7")).ids().unwrap(), (Some(0), Some(7)));
        assert!(owner(Some("no such user"), None).ids().is_err());
    }
}
