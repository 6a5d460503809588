import { createHash, timingSafeEqual } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Clock } from '../../clock.ts'

/** Who may do what: shoppers by JWT, operators by the admin token. */
export interface Authentication {
  /**
   * The user id of an `Authorization` header; undefined when it is no valid shopper's.
   * @throws IdentityUnavailableError when nobody can tell now.
   */
  shopper(authorization: string | undefined): Promise<number | undefined>
  /** The same when this process has seen the header before; for the hot route. */
  knownShopper(authorization: string | undefined): number | undefined
  isAdmin(authorization: string | undefined): boolean
}

/** Where shoppers' tokens come from: ours, or an external identity provider. */
export interface TokenIssuer {
  /**
   * Whose token it is; undefined when it is forged, expired, for somebody else or of an unknown user.
   * @throws IdentityUnavailableError when nobody can tell now.
   */
  identify(token: string): Promise<IdentifiedToken | undefined>
}

export interface IdentifiedToken {
  readonly userId: number
  /** Epoch ms; after it the token has to be looked at again. */
  readonly goodUntil: number
}

/** The keys of the external issuer cannot be read; whether a token is good is not known. */
export class IdentityUnavailableError extends Error {
  override readonly name = 'IdentityUnavailableError'
}

export interface AuthenticationOptions {
  readonly issuer: TokenIssuer
  readonly adminToken: string
  readonly clock: Clock
  /** Tokens that are remembered; 100000 unless given. */
  readonly knownHeadersMax?: number | undefined
}

const headerLengthMax = 8_192
/** Tokens of the local issuer have some 200 characters, those of others up to some thousand. */
const knownCharactersMax = 64_000_000

/** Tokens are verified once and remembered for as long as they are good: signatures are not free. */
export function createAuthentication(options: AuthenticationOptions): Authentication {
  const { issuer, clock, knownHeadersMax = 100_000 } = options
  const known = new LRUCache<string, IdentifiedToken>({
    max: knownHeadersMax,
    maxSize: knownCharactersMax,
    sizeCalculation: (_token, header) => header.length,
  })
  const adminDigest = digest(options.adminToken)

  function knownShopper(authorization: string | undefined): number | undefined {
    const entry = authorization === undefined ? undefined : known.get(authorization)
    return entry !== undefined && entry.goodUntil > clock.now() ? entry.userId : undefined
  }

  async function shopper(authorization: string | undefined): Promise<number | undefined> {
    const seen = knownShopper(authorization)
    if (seen !== undefined || authorization === undefined) return seen
    const token = bearer(authorization)
    const identified = token === undefined ? undefined : await issuer.identify(token)
    if (identified === undefined || identified.goodUntil <= clock.now()) return undefined
    known.set(authorization, identified)
    return identified.userId
  }

  return {
    shopper,
    knownShopper,
    isAdmin(authorization) {
      const token = authorization === undefined ? undefined : bearer(authorization)
      return token !== undefined && timingSafeEqual(digest(token), adminDigest)
    },
  }
}

function bearer(authorization: string): string | undefined {
  if (authorization.length > headerLengthMax) return undefined
  return /^Bearer +(\S+)$/i.exec(authorization)?.[1]
}

/** Digests are of one length, so the comparison tells nothing of the token's. */
function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
