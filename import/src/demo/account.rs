//! The demonstration's administrator: a password made once and told once.

use veritable_domain::account::Scopes;
use veritable_domain::password::Cost;
use veritable_domain::permission::Role;
use veritable_domain::secret;
use veritable_domain::text::UserName;
use veritable_writer_api::message::{Accounts, By, Command, Outcome, Refusal};

use crate::{ImportError, Sink};

/// Name of the administrator.
const ADMIN: &str = "admin";
/// 16 MiB and some 50 ms a guess, as OWASP's list has it; hashed anew at the first login when the settings ask for more.
const COST: Cost = Cost { log_n: 14, r: 8, p: 1 };

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
    let password = secret::text(&random::<12>()?);
    let hashed = COST.hash(&password, random()?).map_err(|error| ImportError::Secret(error.to_string()))?;
    let password_hash = Some(hashed);
    let create = Accounts::CreateUser { name, role: Role::Administrator, address: None, password_hash };
    let made = sink.call(Command::accounts(By::OPERATOR, create));
    let user = match made {
        Ok(Outcome::UserCreated { user }) => user,
        Ok(other) => return Err(ImportError::Connection(format!("unexpected answer {other:?}"))),
        Err(ImportError::Refused(Refusal::NameTaken)) => {
            return Ok(DemoAccounts { admin_name, admin_password: None, api_token: None });
        }
        Err(error) => return Err(error),
    };
    let token = secret::token(&random()?);
    let create = Accounts::CreateApiToken {
        user,
        name: "demonstration".to_owned(),
        hash: secret::digest(&token),
        scopes: Scopes::ALL,
        expires_at: None,
        notice: None,
    };
    sink.call(Command::accounts(By::OPERATOR, create))?;
    Ok(DemoAccounts { admin_name, admin_password: Some(password), api_token: Some(token) })
}

fn random<const N: usize>() -> Result<[u8; N], ImportError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| ImportError::Secret(error.to_string()))?;
    Ok(bytes)
}
