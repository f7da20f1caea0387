//! Posts a second without HTTP and without another process: what the same transactions cost alone.
//!
//!     posts DATA_DIR BATCH SECONDS     posts a second and CPU microseconds each, BATCH posts in a transaction
//!     posts DATA_DIR token             an API token for a new account, for those who post over HTTP

use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::time::TimeValLike;
use veritable_config::Config;
use veritable_domain::account::Scopes;
use veritable_domain::content::{Content, Format};
use veritable_domain::ids::{TopicId, UserId};
use veritable_domain::markup::{self, Namespaces, RenderContext};
use veritable_domain::permission::Role;
use veritable_domain::text::{Source, UserName};
use veritable_domain::time::UnixMillis;
use veritable_writer::database::{self, Database};
use veritable_writer_api::message::{Accounts, By, Command, Forum, IdempotencyKey, Outcome, Request};

const WORDS: &str =
    "The quick brown fox jumps over the lazy dog and some more words follow to make a usual post of it.";
const TOPICS: u64 = 1_000;

fn request(id: u64, command: Command) -> Request {
    Request { id, key: IdempotencyKey::fresh(), deadline: UnixMillis(i64::MAX), command }
}

fn reply(id: u64) -> Request {
    let source = Source::new(&format!("{WORDS} {id}")).expect("a text");
    let namespaces = Namespaces::default();
    let rendered = markup::render(Format::Markdown, source.as_str(), &RenderContext::post(&namespaces));
    let content = Content { format: Format::Markdown, source, rendered };
    let topic = TopicId(1 + (id % TOPICS).cast_signed());
    request(id, Command::forum(By::user(UserId(1)), Forum::Reply { topic, parent: None, content }))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, dir, what @ ..] = args.as_slice() else { return Err("DATA_DIR is missing".into()) };
    let config = Config { data_dir: PathBuf::from(dir), ..Config::default() };
    let db = database::open(&config, Database::Forums)?;
    let mut out = std::io::stdout();
    match what {
        [token] if token == "token" => {
            let mut secret = [0_u8; 16];
            getrandom::fill(&mut secret)?;
            let token = format!("vt_{}", secret.map(|byte| format!("{byte:02x}")).concat());
            let name = UserName::new(&format!("poster{}", UnixMillis::now().0))?;
            let create =
                Accounts::CreateUser { name, role: Role::Member, address: None, password_hash: None };
            let create = Command::accounts(By::OPERATOR, create);
            let made = veritable_writer::commit(&db, [request(1, create)].iter())?.results.remove(0)?;
            let Outcome::UserCreated { user } = made else { return Err("no account".into()) };
            let hash = <sha2::Sha256 as sha2::Digest>::digest(token.as_bytes()).into();
            let (name, scopes) = ("posts".into(), Scopes::ALL);
            let create =
                Accounts::CreateApiToken { user, name, hash, scopes, expires_at: None, notice: None };
            let create = Command::accounts(By::OPERATOR, create);
            veritable_writer::commit(&db, [request(2, create)].iter())?.results.remove(0)?;
            writeln!(out, "{token}")?;
        }
        [batch, seconds] => {
            let (batch, within) = (batch.parse::<u64>()?, Duration::from_secs(seconds.parse()?));
            let (begun, mut posts) = (Instant::now(), 0);
            let cpu = || {
                let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF);
                usage.map(|usage| (usage.user_time() + usage.system_time()).num_microseconds())
            };
            let before = cpu()?;
            while begun.elapsed() < within {
                let requests: Vec<Request> = (posts..posts + batch).map(reply).collect();
                for result in veritable_writer::commit(&db, requests.iter())?.results {
                    result?;
                }
                posts += batch;
            }
            let rate = posts as f64 / begun.elapsed().as_secs_f64();
            writeln!(out, "{rate:.0} {:.1}", (cpu()? - before) as f64 / posts as f64)?;
        }
        _ => return Err("BATCH SECONDS or token is missing".into()),
    }
    Ok(())
}
