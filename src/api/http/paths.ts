import type { Request, RequestHandler } from 'express'

/**
 * Which spellings of a path lead to the same route. Proxies in front have rules by path, so what is equal here has
 * to be little: another case, a double slash, an encoded slash and a dot segment make another path, which is not
 * there. RFC 3986, 6.2.2.2, calls paths equal that differ in the encoding of unreserved characters.
 */
const unreserved = /[A-Za-z0-9._~-]/

/** The URL with the percent-encoding of unreserved characters in its path undone: `/v1/c%61rt` is `/v1/cart`. */
export function canonicalUrl(url: string): string {
  if (!url.includes('%')) return url
  const [path = '', ...query] = url.split('?')
  const decoded = path.replace(/%[0-9a-f]{2}/gi, (encoded) => {
    const character = String.fromCharCode(Number.parseInt(encoded.slice(1), 16))
    return unreserved.test(character) ? character : encoded
  })
  return [decoded, ...query].join('?')
}

/** `/livez/` as `/livez`: the router of the public routes takes both for the same. */
export const withoutLastSlash = (path: string): string => path.replace(/(?<=.)\/$/, '')

const respelt = new WeakSet<Request>()

/** Undoes needless percent-encoding before anything looks at the path. */
export const canonicalPath: RequestHandler = (request, _response, next) => {
  const url = canonicalUrl(request.url)
  if (url !== request.url) {
    request.url = url
    respelt.add(request)
  }
  next()
}

/**
 * Leaves the router unless the path came as the documentation writes it. Operators' routes have one spelling: a proxy
 * keeps the public away from them by a rule that may know that one only.
 */
export const onlyAsWritten: RequestHandler = (request, _response, next) => {
  if (respelt.has(request)) next('router')
  else next()
}
