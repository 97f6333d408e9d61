//! What is peculiar about a request in HTTP/2: in this form it becomes one that HTTP/1.1 can carry.

use http::{HeaderMap, HeaderValue, Request, header};

use crate::data::error::Error;
use crate::data::reject::Rejection;

/// Fields of a head, each crumb of a cookie counted.
const MOST_FIELDS: usize = 100;

/// Checks what h2 does not, and joins the crumbs of the cookie (RFC 9113, 8.2.3).
#[cold]
pub(in super::super) fn check<B>(request: &mut Request<B>) -> Result<(), Error> {
    if request.headers().len() > MOST_FIELDS {
        return Err(Error::Refused(Rejection::HeadTooLarge));
    }
    // Both name the host; who names two of them wants it read in two ways (RFC 9113, 8.3.1).
    let authority = request.uri().authority();
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let differs = |host: &HeaderValue| {
        authority.is_some_and(|authority| !authority.as_str().as_bytes().eq_ignore_ascii_case(host.as_bytes()))
    };
    if hosts.any(differs) {
        return Err(Error::Refused(Rejection::Host));
    }
    join_crumbs(request.headers_mut())
}

fn join_crumbs(headers: &mut HeaderMap) -> Result<(), Error> {
    if headers.get_all(header::COOKIE).iter().nth(1).is_none() {
        return Ok(());
    }
    let crumbs: Vec<&[u8]> = headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    let whole = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]));
    headers.insert(header::COOKIE, whole.map_err(|_| Error::Refused(Rejection::Malformed))?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(fields: &[(&str, &str)]) -> Result<Request<()>, Error> {
        let request = Request::builder().uri("https://shop.example/");
        let request = fields.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let mut request = request.body(()).unwrap();
        check(&mut request).map(|()| request)
    }

    #[test]
    fn the_crumbs_of_a_cookie_become_one_field() {
        let request = checked(&[("cookie", "a=1"), ("x", "y"), ("cookie", "b=2"), ("cookie", "c=3")]).unwrap();
        let cookies: Vec<_> = request.headers().get_all("cookie").iter().collect();
        assert_eq!(cookies, ["a=1; b=2; c=3"]);
    }

    #[test]
    fn a_host_field_says_what_the_authority_says() {
        assert!(checked(&[("host", "Shop.Example")]).is_ok());
        assert_eq!(checked(&[("host", "other.example")]).unwrap_err(), Error::Refused(Rejection::Host));
    }

    #[test]
    fn crumbs_count_as_fields() {
        let crumbs = [("cookie", "a=1"); 101];
        assert_eq!(checked(&crumbs).unwrap_err(), Error::Refused(Rejection::HeadTooLarge));
    }
}
