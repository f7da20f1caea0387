//! Who uploads pictures and who removes them.

use serde_json::Value;

use super::super::harness::routes::picture;
use super::table::{
    API_MEMBERS_MAKE, MEMBERS, MEMBERS_ON, MODERATE, WRITE, form, json, own, picture as sent, with_scope,
};
use super::{EVERY_SCOPE, Filled, Row, Who, World};

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    vec![
        own("/uploads", MEMBERS),
        sent(0, "/uploads", MEMBERS_ON),
        sent(WRITE, "/api/uploads", API_MEMBERS_MAKE),
        form("/uploads/remove", "one's own", MEMBERS_ON, |world, who| remove(world, who, false)),
        form("/uploads/remove", "another's, as if one's own", [401, 422, 422, 422, 422], |world, who| {
            let of = if who == Who::Owner { Who::Other } else { Who::Owner };
            remove(world, of, false)
        }),
        form("/uploads/remove", "another's", [401, 403, 403, 303, 303], |world, who| {
            let of = if who == Who::Owner { Who::Other } else { Who::Owner };
            remove(world, of, true)
        }),
        json("DELETE", "/api/uploads/{name}", "one's own", [401, 200, 200, 200, 200], |world, who| {
            (format!("/api/uploads/{}", uploaded(world, who)), Value::Null)
        }),
        with_scope(
            WRITE | MODERATE,
            "DELETE",
            "/api/uploads/{name}",
            "another's",
            [401, 404, 404, 200, 200],
            |world, who| {
                let of = if who == Who::Owner { Who::Other } else { Who::Owner };
                (format!("/api/uploads/{}", uploaded(world, of)), Value::Null)
            },
        ),
    ]
}

/// A new picture of somebody's; a guest has none, so that it is the owner's then.
fn uploaded(world: &mut World, who: Who) -> String {
    let who = if who == Who::Guest { Who::Owner } else { who };
    let token = world.community.token(who, EVERY_SCOPE);
    picture(&world.community.server, &token)
}

fn remove(world: &mut World, of: Who, everybodys: bool) -> Filled {
    let mut fields = vec![("hash", uploaded(world, of))];
    if everybodys {
        fields.push(("everybody", "1".into()));
    }
    ("/uploads/remove".into(), fields)
}
