//! The page of one's own pictures.

use askama::Template;

use super::counts::count;
use super::{Page, Tabs};
use crate::handlers::accounts::Faults;
use crate::reads::uploads::Picture;

#[derive(Template)]
#[template(path = "uploads/uploads.html")]
pub(crate) struct UploadsPage<'a> {
    pub(crate) page: Page<'a>,
    pub(crate) tabs: Tabs,
    pub(crate) pictures: Vec<Picture>,
    /// What was said on arriving here.
    pub(crate) said: Option<&'a str>,
    /// Most megabytes of one; 0: nobody uploads anything.
    pub(crate) most: String,
    /// Megabytes that they take, and may take.
    pub(crate) taken: String,
    pub(crate) room: String,
    pub(crate) keeps_order: bool,
    pub(crate) faults: Faults,
}
