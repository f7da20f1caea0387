//! The demonstration's administrator: a password made once and told once.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use veritable_domain::permission::Role;
use veritable_domain::text::UserName;
use veritable_writer_api::message::{Command, Outcome, Refusal};

use crate::{ImportError, Sink};

/// Name of the administrator.
const ADMIN: &str = "admin";
/// scrypt's N as a power of two, r and p: 16 MiB and some 50 ms a guess, as OWASP's list has it.
const LOG_N: u8 = 14;
const R: u32 = 8;
const P: u32 = 1;

/// What to tell the person who started the demonstration. Secrets are `None` when the account was there
/// before: only their hashes are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoAccounts {
    /// Name of the administrator.
    pub admin_name: String,
    /// Its password.
    pub admin_password: Option<String>,
    /// A token of it for the API, sent as `Authorization: Bearer`.
    pub api_token: Option<String>,
}

pub(super) fn make(sink: &mut dyn Sink) -> Result<DemoAccounts, ImportError> {
    let admin_name = ADMIN.to_owned();
    let name = UserName::new(ADMIN).map_err(super::malformed)?;
    let password = URL_SAFE_NO_PAD.encode(random::<12>()?);
    let password_hash = Some(phc(&password)?);
    let made = sink.call(Command::CreateUser { name, role: Role::Administrator, password_hash });
    let user = match made {
        Ok(Outcome::UserCreated { user }) => user,
        Ok(other) => return Err(ImportError::Connection(format!("unexpected answer {other:?}"))),
        Err(ImportError::Refused(Refusal::NameTaken)) => {
            return Ok(DemoAccounts { admin_name, admin_password: None, api_token: None });
        }
        Err(error) => return Err(error),
    };
    let token = format!("vt_{}", URL_SAFE_NO_PAD.encode(random::<32>()?));
    let token_hash = Sha256::digest(token.as_bytes()).into();
    sink.call(Command::CreateApiToken { user, name: "demonstration".to_owned(), token_hash })?;
    Ok(DemoAccounts { admin_name, admin_password: Some(password), api_token: Some(token) })
}

fn random<const N: usize>() -> Result<[u8; N], ImportError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| ImportError::Secret(error.to_string()))?;
    Ok(bytes)
}

/// The password as a PHC string.
fn phc(password: &str) -> Result<String, ImportError> {
    let salt = random::<16>()?;
    let mut hash = [0; 32];
    let params = scrypt::Params::new(LOG_N, R, P, hash.len())
        .map_err(|error| ImportError::Secret(error.to_string()))?;
    scrypt::scrypt(password.as_bytes(), &salt, &params, &mut hash)
        .map_err(|error| ImportError::Secret(error.to_string()))?;
    let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash));
    Ok(format!("$scrypt$ln={LOG_N},r={R},p={P}${salt}${hash}"))
}
