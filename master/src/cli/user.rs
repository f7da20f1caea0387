//! What can be said about accounts.

use clap::{Args, Subcommand};
use veritable_domain::account::Scope;
use veritable_domain::permission::Role;

use super::Place;

/// What to do with accounts. Names are user names or e-mail addresses.
#[derive(Debug, Subcommand)]
pub(crate) enum User {
    /// Make an account. The password is asked for, or read from the standard input where that is no terminal
    Create(UserNew),
    /// Make a link by which somebody joins, however the site takes people in
    Invite {
        /// The role of whoever uses it: member, moderator or administrator
        #[arg(long, value_name = "ROLE", default_value = "member", value_parser = role)]
        role: Role,
        /// Days for which it is good
        #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..=365))]
        days: u32,
        /// For whom or what, for those who look at the list of invitations
        #[arg(long, value_name = "TEXT", default_value = "")]
        note: String,
        #[command(flatten)]
        place: Place,
    },
    /// List accounts in the order they were made
    List {
        /// Only those with this role, or one that may do more
        #[arg(long, value_name = "ROLE", value_parser = role)]
        role: Option<Role>,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Show one account
    Show {
        /// Which
        name: String,
        /// One JSON object
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Give an account another role, which holds at once
    Role {
        /// Which
        name: String,
        /// member, moderator or administrator
        #[arg(value_parser = role)]
        role: Role,
        #[command(flatten)]
        place: Place,
    },
    /// Put an account into these groups of the site's own, and out of all others
    Groups {
        /// Which
        name: String,
        /// The groups' names; none: out of all
        #[arg(value_name = "GROUP")]
        groups: Vec<String>,
        #[command(flatten)]
        place: Place,
    },
    /// Switch an account off: its sessions end, and nobody can log in to it
    Disable {
        /// Which
        name: String,
        /// Why, for the audit log
        #[arg(long, value_name = "TEXT", default_value = "")]
        reason: String,
        #[command(flatten)]
        place: Place,
    },
    /// Switch an account on again
    Enable {
        /// Which
        name: String,
        #[command(flatten)]
        place: Place,
    },
    /// Make a link by which an account's owner chooses a new password
    Reset {
        /// Which
        name: String,
        /// Drop its second factor too
        #[arg(long)]
        second_factor: bool,
        #[command(flatten)]
        place: Place,
    },
    /// Make an API token of an account and print it; it is not kept
    Token {
        /// Whose
        name: String,
        /// What it is for, as the list of tokens shows it
        #[arg(long = "name", value_name = "TEXT", default_value = "command line")]
        label: String,
        /// What it may be used for: read, write, moderate, account, administer; may be repeated
        #[arg(long = "scope", value_name = "SCOPE", required = true)]
        scopes: Vec<Scope>,
        /// Days after which it ends; 0: never
        #[arg(long, value_name = "N", default_value_t = 90)]
        days: u32,
        #[command(flatten)]
        place: Place,
    },
    /// Forget the person of an account; what was written stays, without a name
    Delete {
        /// Which
        name: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
        #[command(flatten)]
        place: Place,
    },
}

/// An account to make.
#[derive(Args, Clone, Debug)]
pub(crate) struct UserNew {
    /// Its name
    pub(crate) name: String,
    /// member, moderator or administrator
    #[arg(long, value_name = "ROLE", default_value = "member", value_parser = role)]
    pub(crate) role: Role,
    /// Its e-mail address, which counts as confirmed
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) address: Option<String>,
    /// Without a password: print a link by which its owner chooses one
    #[arg(long)]
    pub(crate) no_password: bool,
    #[command(flatten)]
    pub(crate) place: Place,
}

impl User {
    pub(crate) fn place(&self) -> &Place {
        match self {
            User::Create(new) => &new.place,
            User::Invite { place, .. }
            | User::List { place, .. }
            | User::Show { place, .. }
            | User::Role { place, .. }
            | User::Groups { place, .. }
            | User::Disable { place, .. }
            | User::Enable { place, .. }
            | User::Reset { place, .. }
            | User::Token { place, .. }
            | User::Delete { place, .. } => place,
        }
    }
}

fn role(name: &str) -> Result<Role, String> {
    Role::of_account(name).ok_or_else(|| "expected member, moderator or administrator".to_owned())
}
