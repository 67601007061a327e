//! `kren call`: ask a service.

use crate::format::Format;
use crate::human::parse_time;
use crate::options::Name;
use crate::progress;
use crate::signals;
use crate::stop::{Outcome, Stop};
use kren_core::{CallOptions, KrenClient};
use std::io::{self, Read, Write};
use std::time::Duration;

/// Call a service and write its answer to the output.
///
/// The request is the text that is given, or else the whole input. An answer of several parts is written part by part.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  kren call thumbnails < photo.jpg > small.jpg
  kren call clock --data now --timeout 1
  kren call search --data 'red shoes' --format lines --tag 3
  kren call library --method find --data 'red shoes'")]
pub(crate) struct Args {
    #[command(flatten)]
    name: Name,
    /// The request. Else the whole input.
    #[arg(short, long, value_name = "TEXT")]
    data: Option<String>,
    /// The method to call, of a server that has several.
    #[arg(short, long, value_name = "NAME", default_value = "")]
    method: String,
    /// The number that the server finds on the request.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    tag: u32,
    /// Seconds to wait at most for the whole answer (also 200ms, 2m). Else for ever.
    #[arg(short, long, value_name = "TIME", value_parser = parse_time)]
    timeout: Option<Duration>,
    /// If the server dies, let its successor do the request again.
    #[arg(long)]
    retry: bool,
    /// Call a service of another user too.
    #[arg(long)]
    any_owner: bool,
    /// How parts of the answer are written.
    #[arg(short, long, value_enum, default_value_t)]
    format: Format,
}

pub(crate) fn run(args: &Args) -> Outcome {
    signals::listen();
    let options = KrenClient::options().any_owner(args.any_owner);
    let mut client = options.connect(&args.name.name)?;
    let request = match &args.data {
        Some(data) => data.clone().into_bytes(),
        None => whole_input(client.max_request_len())?,
    };
    let mut wanted = CallOptions::default()
        .method(&args.method)
        .tag(args.tag)
        .retry(args.retry);
    if let Some(timeout) = args.timeout {
        wanted = wanted.timeout(timeout);
    }
    let call = client.start(&request, wanted)?;
    let mut out = io::stdout().lock();
    let mut number = 0;
    while let Some(part) = client.next_part(call, &mut signals::check)? {
        args.format
            .write(&mut out, (number, part.tag()), &part)
            .and_then(|()| out.flush())
            .map_err(Stop::io("output"))?;
        number += 1;
    }
    Ok(client.close()?)
}

/// What is longer than `most` is not read to its end: the call itself says that it is too long.
fn whole_input(most: usize) -> Outcome<Vec<u8>> {
    let mut request = vec![];
    let mut chunk = vec![0; 64 * 1024];
    let mut input = progress::input()?;
    while request.len() <= most {
        signals::check()?;
        match input.read(&mut chunk) {
            Ok(0) => break,
            Ok(len) => request.extend_from_slice(&chunk[..len]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(request)
}
