//! The security store: a file in the data folder with the principals, their roles, and what anonymous
//! sessions may do.
//!
//! It holds password hashes, so only its owner may read it (mode 0600), and it is replaced as a whole:
//! written beside, then renamed.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use argon2::{Argon2, PasswordHasher as _};
use suffuse_broker::{Principal, PrincipalStore};

use super::{Diagnostic, Place};

/// The name of the file in the data folder.
const FILE_NAME: &str = "security.toml";
/// The largest file, in bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// How long a made password is, in random bytes: 24 characters of base64url.
const PASSWORD_BYTES: usize = 18;

/// What is in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecurityFile {
    /// The roles of anonymous sessions; absent: anonymous clients may not connect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anonymous_roles: Option<BTreeSet<String>>,
    /// The principals by name.
    #[serde(default)]
    pub principals: BTreeMap<String, StoredPrincipal>,
}

/// A principal in the file.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredPrincipal {
    /// The argon2 hash of the password, in PHC form.
    pub password_hash: String,
    /// The roles of its sessions.
    #[serde(default)]
    pub roles: BTreeSet<String>,
}

impl std::fmt::Debug for StoredPrincipal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredPrincipal")
            .field("roles", &self.roles)
            .finish_non_exhaustive()
    }
}

/// Why there is no security store to start with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecurityFileError {
    /// A file or folder could not be read or written.
    #[error("error[SFX-S010]: cannot {what} `{}`: {error}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What happened.
        error: io::Error,
    },
    /// The file can be read by others than its owner.
    #[error(
        "error[SFX-S011]: `{}` can be read by other users (mode {mode:o})\n  help: chmod 600 {}",
        path.display(), path.display()
    )]
    Mode {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is not what it should be.
    #[error("{0}")]
    Content(Box<Diagnostic>),
}

/// A store, and the password that was made for it.
#[derive(Debug)]
pub struct Opened {
    /// What is in the file.
    pub file: SecurityFile,
    /// Where the file is.
    pub path: PathBuf,
    /// The password of `admin`, if the file was made just now. It is kept nowhere.
    pub admin_password: Option<String>,
}

impl SecurityFile {
    /// Opens the store of a data folder. Where there is none, makes one with the principal `admin`, who
    /// is an administrator and has a random password.
    ///
    /// # Errors
    /// When the file cannot be read or made, others can read it, or its content is not valid.
    pub fn open(data_dir: &Path) -> Result<Opened, SecurityFileError> {
        let path = data_dir.join(FILE_NAME);
        if path.try_exists().map_err(failed("look for", &path))? {
            let file = Self::read(&path)?;
            return Ok(Opened {
                file,
                path,
                admin_password: None,
            });
        }
        make_folder(data_dir)?;
        let password = random_password(&path)?;
        let file = Self::first(&password, &path)?;
        file.write(&path)?;
        Ok(Opened {
            file,
            path,
            admin_password: Some(password),
        })
    }

    fn read(path: &Path) -> Result<Self, SecurityFileError> {
        let meta = fs::metadata(path).map_err(failed("read", path))?;
        check_mode(path, &meta)?;
        if meta.len() > FILE_BYTES_MAX {
            return Err(failed("read", path)(io::Error::other(
                "it has more than 16 MiB",
            )));
        }
        let text = fs::read_to_string(path).map_err(failed("read", path))?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// When it is not valid; the error says where.
    pub fn parse(name: &str, text: &str) -> Result<Self, SecurityFileError> {
        let file: Self = toml::from_str(text).map_err(|error| content_error(name, text, &error))?;
        let broken = file
            .principals
            .iter()
            .find(|(_, it)| !is_hash(&it.password_hash));
        if let Some((principal, _)) = broken {
            return Err(SecurityFileError::Content(Box::new(Diagnostic {
                code: "SFX-S012",
                message: format!(
                    "`{name}`: the password hash of `{principal}` is not an argon2 hash"
                ),
                place: None,
                help: Some("expected the form $argon2id$v=19$m=…,t=…,p=…$salt$hash".to_owned()),
            })));
        }
        Ok(file)
    }

    fn first(password: &str, path: &Path) -> Result<Self, SecurityFileError> {
        let hash = Argon2::default()
            .hash_password(password.as_bytes())
            .map_err(|error| failed("make", path)(io::Error::other(error.to_string())))?;
        let roles = BTreeSet::from(["ADMINISTRATOR".to_owned()]);
        let admin = StoredPrincipal {
            password_hash: hash.to_string(),
            roles,
        };
        Ok(Self {
            anonymous_roles: None,
            principals: BTreeMap::from([("admin".to_owned(), admin)]),
        })
    }

    fn to_text(&self) -> String {
        let body = toml::to_string(self).expect("texts and sets of texts can be written as TOML");
        format!(
            "# The principals of a suffuse server. Keep this file secret; edit it while the server is stopped.\n\
             # Anonymous clients may not connect unless a line such as this stands above the principals:\n\
             #   anonymous_roles = [\"CLIENT\"]\n\n{body}"
        )
    }

    fn write(&self, path: &Path) -> Result<(), SecurityFileError> {
        let beside = path.with_extension("toml.new");
        write_private(&beside, self.to_text().as_bytes()).map_err(failed("write", &beside))?;
        fs::rename(&beside, path).map_err(failed("write", path))
    }

    /// Returns what the broker needs.
    #[must_use]
    pub fn principals(&self, trusted_properties: &[String]) -> PrincipalStore {
        let principals = self.principals.iter().map(|(name, stored)| {
            let password_hash = stored.password_hash.clone();
            (
                name.clone(),
                Principal {
                    password_hash,
                    roles: stored.roles.clone(),
                },
            )
        });
        PrincipalStore {
            principals: principals.collect(),
            anonymous: self.anonymous_roles.clone(),
            trusted_properties: trusted_properties.iter().cloned().collect(),
        }
    }
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SecurityFileError {
    move |error| SecurityFileError::Io {
        what,
        path: path.to_owned(),
        error,
    }
}

fn is_hash(text: &str) -> bool {
    text.starts_with("$argon2") && argon2::PasswordHash::new(text).is_ok()
}

fn content_error(name: &str, text: &str, error: &toml::de::Error) -> SecurityFileError {
    let message = error.message().lines().next().unwrap_or_default();
    let place = error.span().map(|at| Place::find(name, text, at, message));
    let diagnostic = Diagnostic {
        code: "SFX-S012",
        message: format!("`{name}` is not a valid security store"),
        place,
        help: Some("correct the file, or move it away: the next start makes a new one".to_owned()),
    };
    SecurityFileError::Content(Box::new(diagnostic))
}

fn random_password(path: &Path) -> Result<String, SecurityFileError> {
    use base64::Engine as _;
    let mut bytes = [0; PASSWORD_BYTES];
    getrandom::fill(&mut bytes)
        .map_err(|error| failed("make", path)(io::Error::other(error.to_string())))?;
    Ok(base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(unix)]
fn make_folder(path: &Path) -> Result<(), SecurityFileError> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(failed("make the folder", path))
}

#[cfg(not(unix))]
fn make_folder(path: &Path) -> Result<(), SecurityFileError> {
    fs::create_dir_all(path).map_err(failed("make the folder", path))
}

#[cfg(unix)]
fn check_mode(path: &Path, meta: &fs::Metadata) -> Result<(), SecurityFileError> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = meta.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(SecurityFileError::Mode {
            path: path.to_owned(),
            mode,
        });
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_mode(_: &Path, _: &fs::Metadata) -> Result<(), SecurityFileError> {
    Ok(())
}

fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    use io::Write as _;
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_start_makes_an_admin_and_the_second_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("new/data");

        let first = SecurityFile::open(&data_dir).unwrap();
        let second = SecurityFile::open(&data_dir).unwrap();

        assert_eq!(
            first.admin_password.map(|password| password.len()),
            Some(24)
        );
        assert_eq!(second.admin_password, None);
        assert_eq!(first.file, second.file);
        assert!(
            second.file.principals["admin"]
                .roles
                .contains("ADMINISTRATOR")
        );
        assert_eq!(second.file.principals(&[]).anonymous, None);
    }

    #[cfg(unix)]
    #[test]
    fn a_store_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = SecurityFile::open(folder.path()).unwrap().path;
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );

        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();

        let message = SecurityFile::open(folder.path()).unwrap_err().to_string();
        assert!(
            message.contains("mode 644") && message.contains("chmod 600"),
            "{message}"
        );
    }

    #[test]
    fn a_broken_store_says_where() {
        let cases = [
            ("anonymous_role = []", "unknown field `anonymous_role`"),
            ("anonymous_roles = 1", "invalid type"),
            (
                "[principals.a]\nroles = []",
                "missing field `password_hash`",
            ),
            (
                "[principals.a]\npassword_hash = \"secret\"",
                "not an argon2 hash",
            ),
            ("[principals", "not a valid security store"),
        ];
        for (text, expected) in cases {
            let message = SecurityFile::parse("security.toml", text)
                .unwrap_err()
                .to_string();
            assert!(message.contains(expected), "{text}: {message}");
        }
    }
}
