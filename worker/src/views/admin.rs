//! Pages of administrators and moderators.

use askama::Template;
use veritable_config::settings::Registration;
use veritable_domain::permission::{Access, Groups, Role};
use veritable_domain::time::UnixMillis;

use super::settings::days_said;
use super::{Page, count};
use crate::handlers::accounts::Faults;
use crate::handlers::admin::groups::MEMBERS;
use crate::handlers::admin::{PAGE, invitations};
use crate::reads::When;
use crate::reads::admin::{AuditEntry, Category, Due, Group, Invitation, User, Which};

#[derive(Template)]
#[template(path = "admin/overview.html")]
pub(crate) struct AdminPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) due: Due,
}

#[derive(Template)]
#[template(path = "admin/users.html")]
pub(crate) struct UsersPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) query: &'a str,
    pub(crate) which: Which,
    pub(crate) users: Vec<User>,
    /// The number before which the list goes on.
    pub(crate) next: Option<i64>,
    pub(crate) said: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "admin/approvals.html")]
pub(crate) struct ApprovalsPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) users: Vec<User>,
    pub(crate) said: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "admin/user.html")]
pub(crate) struct UserAdminPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) user: User,
    pub(crate) sessions: i64,
    pub(crate) seen_at: Option<When>,
    /// All groups there are.
    pub(crate) groups: Vec<Group>,
    pub(crate) sends_mail: bool,
    pub(crate) said: Option<&'a str>,
    pub(crate) fault: Option<&'a str>,
}

/// Roles that an account may have.
const ROLES: [Role; 3] = [Role::Member, Role::Moderator, Role::Administrator];

/// Whether a set has the group with this number.
fn has(set: &Groups, number: &u8) -> bool {
    set.meets(Groups::one(*number))
}

#[derive(Template)]
#[template(path = "admin/groups.html")]
pub(crate) struct GroupsPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) groups: Vec<Group>,
    pub(crate) name: &'a str,
    pub(crate) description: &'a str,
    pub(crate) said: Option<&'a str>,
    pub(crate) faults: Faults,
}

#[derive(Template)]
#[template(path = "admin/group.html")]
pub(crate) struct GroupPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) group: Group,
    pub(crate) members: Vec<User>,
    pub(crate) said: Option<&'a str>,
    pub(crate) faults: Faults,
}

/// What the form of a category holds.
pub(crate) struct CategoryForm {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) locked: bool,
    pub(crate) access: Access,
}

impl CategoryForm {
    /// Of a category that is to be made.
    pub(crate) fn empty() -> CategoryForm {
        let (name, description) = (String::new(), String::new());
        CategoryForm { name, description, locked: false, access: Access::OPEN }
    }

    /// Of one that is there.
    pub(crate) fn of(category: &Category) -> CategoryForm {
        let Category { name, description, locked, access, .. } = category;
        CategoryForm {
            name: name.clone(),
            description: description.clone(),
            locked: *locked,
            access: *access,
        }
    }

    /// The three rows of boxes: the name of the field, what it is about, who is ticked, and from which role on it may be
    /// given.
    pub(crate) fn rows(&self) -> [(&'static str, &'static str, Groups, u8); 3] {
        let Access { read, post, moderate } = self.access;
        [
            ("read", "Who sees it", read, 0),
            ("post", "Who may post, of those who see it", post, 1),
            ("moderate", "Who keeps order in it", moderate, 2),
        ]
    }
}

/// The groups that are the roles', as people are told of them; administrators may everything.
const EVERYBODY: [(u8, &str); 3] = [(0, "everybody"), (1, "members"), (2, "moderators")];

/// Who is meant by a set, for a list.
fn who(set: &Groups, groups: &[Group]) -> String {
    let roles = EVERYBODY.iter().filter(|(number, _)| has(set, number)).map(|(_, name)| *name);
    let own = groups.iter().filter(|group| has(set, &group.id)).map(|group| group.name.as_str());
    let names: Vec<&str> = roles.chain(own).collect();
    if names.is_empty() { "administrators".to_owned() } else { names.join(", ") }
}

#[derive(Template)]
#[template(path = "admin/categories.html")]
pub(crate) struct CategoriesPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) categories: Vec<Category>,
    pub(crate) groups: Vec<Group>,
    /// Of the one that may be made.
    pub(crate) form: CategoryForm,
    pub(crate) said: Option<&'a str>,
    pub(crate) faults: Faults,
}

#[derive(Template)]
#[template(path = "admin/category.html")]
pub(crate) struct CategoryPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) action: String,
    pub(crate) groups: Vec<Group>,
    pub(crate) form: CategoryForm,
    pub(crate) faults: Faults,
}

#[derive(Template)]
#[template(path = "admin/invitations.html")]
pub(crate) struct InvitationsPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) role: Role,
    pub(crate) invitations: Vec<Invitation>,
    pub(crate) now: UnixMillis,
    pub(crate) next: Option<i64>,
    pub(crate) registration: Registration,
    pub(crate) said: Option<&'a str>,
    pub(crate) faults: Faults,
}

#[derive(Template)]
#[template(path = "admin/audit.html")]
pub(crate) struct AuditPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) entries: Vec<AuditEntry>,
    pub(crate) actor: &'a str,
    pub(crate) deed: &'a str,
    pub(crate) object: &'a str,
    /// Where it goes on.
    pub(crate) next: Option<String>,
}
