//! What people do with their accounts, and administrators with those of others.

use strum::IntoStaticStr;
use veritable_domain::account::{Address, Scopes};
use veritable_domain::codec::{SchemaRead, SchemaWrite};
use veritable_domain::draft::Place;
use veritable_domain::ids::{SessionId, TokenId, UserId};
use veritable_domain::permission::Role;
use veritable_domain::text::{DisplayName, UserName};
use veritable_domain::time::UnixMillis;

/// SHA-256 of a secret that only its owner has: a session's or API token, a link sent by mail, an invitation.
pub type SecretHash = [u8; 32];

/// A message to send; it is put into the outbox with the change it tells of, or not at all.
#[derive(Clone, Debug, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub struct Mail {
    /// To whom.
    pub to: Address,
    /// One line.
    pub subject: String,
    /// Plain text.
    pub body: String,
}

/// What a link sent by mail is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub enum LinkKind {
    /// Show that the address is one's own: of a new account, or of one that takes another address.
    Verify,
    /// Choose a new password.
    Reset,
}

impl LinkKind {
    /// The number stored with it.
    pub fn number(self) -> i64 {
        match self {
            LinkKind::Verify => 1,
            LinkKind::Reset => 2,
        }
    }
}

/// A link sent by mail: whoever has it has the mailbox.
#[derive(Clone, Debug, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub struct Link {
    /// Of the secret in it.
    pub hash: SecretHash,
    /// What it is for.
    pub kind: LinkKind,
    /// Until when it can be used.
    pub expires_at: UnixMillis,
    /// The message that it goes out in.
    pub mail: Mail,
}

/// A session about to begin.
#[derive(Clone, Debug, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub struct NewSession {
    /// Of its token.
    pub hash: SecretHash,
    /// What forms of this session must repeat, as a secret of its own.
    pub csrf: [u8; 16],
    /// When it ends unless it is used.
    pub expires_at: UnixMillis,
    /// What the browser says of itself.
    pub user_agent: String,
}

/// By what, beside the password, somebody is known who logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, SchemaWrite, SchemaRead)]
pub enum Factor {
    /// Nothing: refused where the account asks for a second factor.
    None,
    /// A code of this step of time (RFC 6238): each step is good once.
    Totp {
        /// Seconds since 1970 divided by 30.
        step: i64,
    },
    /// A recovery code, used up with this.
    Recovery {
        /// Of the code.
        hash: SecretHash,
    },
}

/// A change of accounts.
#[derive(Clone, Debug, PartialEq, Eq, SchemaWrite, SchemaRead, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Accounts {
    /// Make an account. For the operator and administrators: it needs no proof of its address.
    CreateUser {
        /// Its name; taken ones refuse with [`Refusal::NameTaken`](super::Refusal::NameTaken).
        name: UserName,
        /// Its role.
        role: Role,
        /// Its address, if it has one.
        address: Option<Address>,
        /// PHC string of its password, if it may log in.
        password_hash: Option<String>,
    },
    /// Join. The answer is [`Outcome::UserCreated`](super::Outcome::UserCreated); or, where the address that a link would go
    /// to is somebody's already, [`Outcome::Account`](super::Outcome::Account), which says whose. An account is made either
    /// way, and nobody can tell the two apart; the link of the second is not sent.
    SignUp {
        /// The name.
        name: UserName,
        /// Where mail reaches this person.
        address: Option<Address>,
        /// PHC string of the password.
        password_hash: String,
        /// The invitation, where one is needed: used up with this.
        invitation: Option<SecretHash>,
        /// Nobody can log in before an administrator has approved.
        waits_for_approval: bool,
        /// How the address is shown to be this person's; `None`: it need not be.
        link: Option<Link>,
    },
    /// Send a message that changes nothing.
    SendMail {
        /// The message.
        mail: Mail,
    },
    /// Send a link to an account: to choose a new password, or to show that an address is its owner's.
    SendLink {
        /// Whose.
        user: UserId,
        /// The link; its mail goes to the address that it shows.
        link: Link,
    },
    /// Use a link of [`LinkKind::Verify`].
    Verify {
        /// The link.
        hash: SecretHash,
        /// Tells the address that this one takes the place of, if there is one.
        notice: Option<Mail>,
    },
    /// Use a link of [`LinkKind::Reset`]: a new password. Every session, link and API token of the account ends.
    ResetPassword {
        /// The link.
        hash: SecretHash,
        /// PHC string of the new password.
        password_hash: String,
    },
    /// A new password of the one who asks; every other session of the account ends.
    ChangePassword {
        /// PHC string of the new password.
        password_hash: String,
        /// The session that goes on.
        session: Option<SecretHash>,
        /// API tokens end with it.
        ends_tokens: bool,
        /// Tells the owner.
        notice: Option<Mail>,
    },
    /// The same password hashed as the settings have it now.
    Rehash {
        /// Whose.
        user: UserId,
        /// What it replaces: a password that was changed meanwhile stays.
        old: String,
        /// PHC string.
        new: String,
    },
    /// Log in.
    OpenSession {
        /// Who: the password, and what else is needed, was checked.
        user: UserId,
        /// The session.
        session: NewSession,
        /// The second factor that was checked.
        factor: Factor,
        /// The session that this one takes the place of in its browser; it ends.
        replaces: Option<SecretHash>,
    },
    /// Say that a session is used, so that it ends later.
    TouchSession {
        /// Which.
        hash: SecretHash,
        /// When it now ends.
        expires_at: UnixMillis,
    },
    /// Log out.
    CloseSession {
        /// Of which session.
        hash: SecretHash,
    },
    /// End a session of the one who asks.
    RevokeSession {
        /// Which.
        session: SessionId,
    },
    /// End every session of the one who asks but one.
    RevokeSessions {
        /// The one that goes on.
        except: Option<SecretHash>,
    },
    /// Keep what somebody is writing.
    SaveDraft {
        /// Where.
        place: Place,
        /// Packed JSON of a [`Draft`](veritable_domain::draft::Draft).
        body: Vec<u8>,
    },
    /// Forget what somebody was writing.
    DropDraft {
        /// Where.
        place: Place,
    },
    /// Make an API token.
    CreateApiToken {
        /// Whose.
        user: UserId,
        /// What for.
        name: String,
        /// Of the token.
        hash: SecretHash,
        /// What it may be used for.
        scopes: Scopes,
        /// When it ends, if it does.
        expires_at: Option<UnixMillis>,
        /// Tells the owner.
        notice: Option<Mail>,
    },
    /// End an API token of the one who asks.
    RevokeApiToken {
        /// Which.
        token: TokenId,
    },
    /// Take another address; with a link it counts once the link was used. Where it is somebody's already the link is not
    /// sent, and the answer is [`Outcome::Account`](super::Outcome::Account), which says whose.
    ChangeAddress {
        /// The new one.
        address: Address,
        /// How it is shown to be this person's; `None`: it need not be.
        link: Option<Link>,
        /// Tells the old address.
        notice: Option<Mail>,
    },
    /// Be called otherwise.
    SetDisplayName {
        /// The new one.
        name: DisplayName,
    },
    /// Begin to set up a second factor; it counts from [`Accounts::ConfirmTotp`] on.
    BeginTotp {
        /// What codes are made of.
        secret: [u8; 20],
    },
    /// A code was right: from now on logging in asks for one. Every other session of the account ends.
    ConfirmTotp {
        /// The secret it was right for.
        secret: [u8; 20],
        /// The step of the code.
        step: i64,
        /// Of the recovery codes.
        codes: Vec<SecretHash>,
        /// The session that goes on.
        session: Option<SecretHash>,
        /// Tells the owner.
        notice: Option<Mail>,
    },
    /// Other recovery codes.
    RenewRecoveryCodes {
        /// Of the codes.
        codes: Vec<SecretHash>,
        /// Tells the owner.
        notice: Option<Mail>,
    },
    /// Log in with the password alone from now on.
    EndTotp {
        /// Tells the owner.
        notice: Option<Mail>,
    },
    /// Forget the person of the account that asks; what it wrote stays without a name.
    Erase,
    /// A message was taken by the mail server.
    MailSent {
        /// Its number in the outbox.
        message: i64,
    },
    /// A message was not taken.
    MailFailed {
        /// Its number in the outbox.
        message: i64,
        /// Why, in a line without anybody's address.
        error: String,
        /// When it is tried again; `None`: never.
        next_at: Option<UnixMillis>,
    },
    /// Forget what is too old: sessions and links that are over, drafts nobody went on with, accounts nobody confirmed.
    ForgetOld,
}
