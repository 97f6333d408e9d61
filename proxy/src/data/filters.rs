//! What a route's settings do with a request: before its arm is chosen, before it is sent, and with its answer.
//!
//! Only requests of routes with filters come here; for them an allocation is nothing to be afraid of. What is refused here
//! is refused before an arm is chosen, so that it can't count against one. Changes to the head are made after the choice:
//! nothing that a route sets can direct a request.

mod basic_auth;
mod compression;
mod cors;
mod endpoints;
mod error_pages;
mod external_auth;
mod limits;
mod redirect;

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use http::header::{CONTENT_LENGTH, HOST, SET_COOKIE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri};
use ipnet::IpNet;

use self::basic_auth::Doorman;
use self::endpoints::Wish;
use self::external_auth::{Authority, Granted};
use super::answer::Body;
use super::connection::Client;
use super::error::Error;
use super::pool::{LocalArm, LocalEndpoint, WhenEjected};
use super::random::Random;
use super::reject::Rejection;
use super::stop::Stop;
use super::upload::Upload;
use crate::config::filters::{Balance, Encoding, PathChange, Rewrite};
use crate::config::{RouteFilters, UpstreamSettings};
use crate::limit::Permit;
use crate::snapshot::{Filters, Located};

/// The filters of one route, as one worker has them.
#[derive(Debug)]
pub(super) struct LocalFilters {
    pub(super) view: Arc<Filters>,
    doorman: Option<Rc<Doorman>>,
    /// Who is asked whether a request may pass.
    authority: Option<Rc<LocalArm>>,
    /// Draws endpoints.
    random: RefCell<Random>,
}

/// A request that asks to be let in, as it came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking<'a> {
    pub(super) client: &'a Client,
    /// Who that is, as far as trusted proxies tell.
    pub(super) address: IpAddr,
    pub(super) method: &'a Method,
    pub(super) target: &'a Uri,
    pub(super) headers: &'a HeaderMap,
    /// Without port.
    pub(super) host: &'a str,
    /// The peer is a trusted proxy.
    pub(super) is_trusted: bool,
    pub(super) located: Located,
    /// Process clock.
    pub(super) now_us: u64,
}

/// What the filters of a route remember of one request that they let in.
#[derive(Debug)]
pub(super) struct Filtered {
    filters: Rc<LocalFilters>,
    matched: usize,
    /// The origin whose pages may read the answer.
    origin: Option<HeaderValue>,
    /// Its place among the client's requests under way.
    permit: Option<Permit>,
    /// What came with a yes of whoever was asked.
    granted: Granted,
    wish: Wish,
    /// How the answer may be compressed.
    encoding: Option<Encoding>,
}

// === impl LocalFilters ===

impl LocalFilters {
    /// `former` are those that this worker had before.
    pub(super) fn new(view: Arc<Filters>, authority: Option<Rc<LocalArm>>, former: &[Rc<Self>]) -> Self {
        let doorman = view.passwords.as_ref().map(|file| {
            let known = former.iter().filter_map(|former| former.doorman.as_ref()).find(|known| known.is_for(file));
            known.map_or_else(|| Rc::new(Doorman::new(Arc::clone(file))), Rc::clone)
        });
        Self { view, doorman, authority, random: RefCell::new(Random::from_system()) }
    }
}

// === impl Filtered ===

impl Filtered {
    /// Lets a request in, or says why not.
    pub(super) fn admit(filters: &Rc<LocalFilters>, asking: &Asking<'_>) -> Result<Box<Self>, Stop> {
        let origin = filters.view.settings.cors.as_ref().and_then(|cors| cors::origin(cors, asking.headers));
        let matched = asking.located.matched as usize;
        let wish = Wish::of(filters.view.settings.affinity.as_ref(), asking.headers);
        let filters = Rc::clone(filters);
        let compression = filters.view.settings.compression.as_ref();
        let encoding = compression.and_then(|it| compression::negotiate(it, asking.method, asking.headers));
        let (permit, granted) = (None, Granted::default());
        let mut filtered = Box::new(Self { filters, matched, origin, permit, granted, wish, encoding });
        match filtered.check(asking) {
            Ok(()) => Ok(filtered),
            Err(stop) => Err(stop.map(|answer| filtered.finish(answer))),
        }
    }

    fn check(&mut self, asking: &Asking<'_>) -> Result<(), Stop> {
        let view = &self.filters.view;
        let settings = &view.settings;
        if !is_let_in(settings, asking.address) {
            return Err(Error::Refused(Rejection::Address).into());
        }
        if let Some(answer) = settings.redirect.as_ref().and_then(|redirect| redirect::answer(redirect, asking)) {
            return Err(Stop::Answered(Box::new(answer)));
        }
        let cors = settings.cors.as_ref();
        if let Some(answer) = cors.and_then(|cors| cors::preflight(cors, asking, self.origin.is_some())) {
            return Err(Stop::Answered(Box::new(answer)));
        }
        if let Some(limits) = &view.limits {
            self.permit = limits.admit(asking.address, asking.now_us).map_err(limits::refusal)?;
        }
        if content_length(asking.headers) > self.body_limit() {
            return Err(Error::Refused(Rejection::BodyTooLarge).into());
        }
        Ok(())
    }

    /// Whether somebody has to be asked, which takes time: until then no arm is chosen and nothing is changed.
    pub(super) fn must_ask(&self) -> bool {
        self.filters.doorman.is_some() || self.filters.authority.is_some()
    }

    /// Asks whether a request may pass.
    pub(super) async fn ask(&mut self, client: &Rc<Client>, request: &Request<Upload>) -> Result<(), Stop> {
        let view = &self.filters.view;
        let settings = &view.settings;
        if let (Some(doorman), Some(auth)) = (&self.filters.doorman, &settings.basic_auth) {
            doorman.admit(request.headers(), &auth.challenge, client.now_us()).await?;
        }
        if let (Some(arm), Some(auth), Some((_, settings))) =
            (&self.filters.authority, &settings.external_auth, &view.authority)
        {
            self.granted = Authority { auth, arm, settings }.ask(client, request).await?;
        }
        Ok(())
    }

    /// Bytes that the request's body may have.
    pub(super) fn body_limit(&self) -> u64 {
        self.filters.view.settings.max_body_size.unwrap_or(u64::MAX)
    }

    /// Time-outs and retries, where the route has its own.
    pub(super) fn upstream(&self) -> Option<&UpstreamSettings> {
        self.filters.view.upstream.as_ref()
    }

    /// Whether it matters which endpoint of its arm the request goes to.
    pub(super) fn has_wish(&self) -> bool {
        let settings = &self.filters.view.settings;
        settings.affinity.is_some() || settings.balance != Balance::RoundRobin
    }

    /// Whether this request is one of which the canary gets a copy.
    pub(super) fn is_mirrored(&self) -> bool {
        let share = self.filters.view.settings.mirror;
        share.is_some_and(|share| share.takes(self.filters.random.borrow_mut().next_u64()))
    }

    /// The endpoint to ask, other than `not` if there is another.
    pub(super) fn pick<'a>(
        &self,
        arm: &'a LocalArm,
        now_us: u64,
        when_ejected: WhenEjected,
        not: Option<u64>,
    ) -> Option<&'a Rc<LocalEndpoint>> {
        self.wish.pick(&self.filters, arm, now_us, when_ejected, not)
    }

    /// Changes the head as the upstream is to get it.
    pub(super) fn prepare<B>(&self, request: &mut Request<B>) -> Result<(), Error> {
        let settings = &self.filters.view.settings;
        if let Some(Rewrite { host, path }) = &settings.rewrite {
            if let Some(host) = host {
                request.headers_mut().insert(HOST, host.clone());
            }
            if let Some(change) = path {
                self.rewrite(change, request)?;
            }
        }
        let headers = request.headers_mut();
        if let Some(auth) = &settings.external_auth {
            // Also what was not granted goes: a client must not say it of itself.
            auth.copy_headers.iter().for_each(|name| drop(headers.remove(name)));
            for (name, value) in &self.granted.copied {
                headers.append(name, value.clone());
            }
        }
        settings.request_headers.apply(headers);
        Ok(())
    }

    fn rewrite<B>(&self, change: &PathChange, request: &mut Request<B>) -> Result<(), Error> {
        let Some(target) = changed(request.uri(), change, self.matched) else { return Ok(()) };
        // Made of parts of a target, so that only its length can be wrong.
        let target = target.parse::<PathAndQuery>().map_err(|_| Error::Refused(Rejection::TargetTooLong))?;
        *request.uri_mut() = target.into();
        Ok(())
    }

    /// Changes the answer as the client is to get it.
    pub(super) fn finish(&mut self, mut answer: Response<Body>) -> Response<Body> {
        let settings = &self.filters.view.settings;
        if let Some(pages) = &settings.error_pages {
            answer = error_pages::finish(pages, answer);
        }
        let affinity = settings.affinity.as_ref().filter(|_| matches!(answer.body(), Body::Passed(_)));
        if let Some(cookie) = affinity.and_then(|affinity| self.wish.cookie(affinity)) {
            answer.headers_mut().append(SET_COOKIE, cookie);
        }
        if let Some(cors) = &settings.cors {
            cors::finish(cors, self.origin.as_ref(), answer.headers_mut());
        }
        for cookie in self.granted.cookies.drain(..) {
            answer.headers_mut().append(SET_COOKIE, cookie);
        }
        settings.response_headers.apply(answer.headers_mut());
        if let (Body::Passed(passage), Some(permit)) = (answer.body_mut(), self.permit.take()) {
            passage.hold(permit);
        }
        if let Some(compression) = &settings.compression {
            answer = compression::finish(compression, self.encoding, answer);
        }
        answer
    }
}

fn is_let_in(settings: &RouteFilters, address: IpAddr) -> bool {
    let among = |networks: &[IpNet]| networks.iter().any(|network| network.contains(&address));
    !among(&settings.deny) && (settings.allow.is_empty() || among(&settings.allow))
}

/// As announced; 0 if nothing is. hyper has checked that it is one number.
fn content_length(headers: &HeaderMap) -> u64 {
    let written = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    written.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// The new path with the old query; none if nothing changes.
fn changed(target: &Uri, change: &PathChange, matched: usize) -> Option<String> {
    let mut path = change.apply(target.path(), matched)?;
    if let Some(query) = target.query() {
        path.push('?');
        path.push_str(query);
    }
    Some(path)
}
