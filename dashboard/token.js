// The token that allows commands. It comes in the fragment of the address, which browsers send to nobody, and leaves
// the address at once: it must not stand in a screenshot, a bookmark or the history. It lives as long as the tab.

const KEY = "sluice.token";
const listeners = new Set();

let token = read();
/** `none`, `unchecked`, `right` or `wrong`. */
let standing = token ? "unchecked" : "none";

/** Moves a token from the address into the tab's memory; says whether there was one. */
export function takeFromAddress() {
  const found = /^#token=([^&]+)$/.exec(location.hash);
  if (!found) return false;
  history.replaceState(null, "", location.pathname + location.search);
  set(decode(found[1]));
  return true;
}

export const get = () => token;
export const state = () => standing;

export function set(text) {
  token = text.trim();
  try {
    sessionStorage.setItem(KEY, token);
  } catch {
    // Storage is switched off: then the token lasts until the page is left.
  }
  become(token ? "unchecked" : "none");
}

/** What the proxy has said of the present token. */
export const found = (isRight) => become(isRight ? "right" : "wrong");

export function onChange(listener) {
  listeners.add(listener);
}

function become(next) {
  standing = next;
  listeners.forEach((listener) => listener(standing));
}

function read() {
  try {
    return sessionStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
