import type { Clock } from '../../clock.ts'
import type { Database } from '../../db/database.ts'
import type { NewId } from '../../ids.ts'
import type { Service } from '../../lifecycle.ts'
import type { Logger } from '../../logger.ts'
import { createAuthentication, type Authentication } from './authentication.ts'
import { createExternalIssuer } from './external-issuer.ts'
import { createLocalIssuer, type LocalIssuer } from './local-issuer.ts'
import type { ReadinessCheck } from '../http/readiness.ts'
import { createRemoteKeys } from './remote-keys.ts'

/** Recognises shoppers by tokens of our own or by those of an external issuer, as configured. */
export interface Identity {
  readonly authentication: Authentication
  /** The local issuer; undefined with an external one, when shoppers cannot register here. */
  readonly localIssuer: LocalIssuer | undefined
  readonly services: readonly Service[]
  readonly checks: Readonly<Record<string, ReadinessCheck>>
}

export interface IdentityOptions {
  readonly config: IdentityConfig
  readonly database: Database
  readonly clock: Clock
  readonly logger: Logger
  readonly newId: NewId
  readonly defer: (task: () => void) => void
}

export interface IdentityConfig {
  readonly adminToken: string
  readonly jwtSecret: string
  readonly externalIssuer:
    { readonly issuer: string; readonly audience: string; readonly jwksUrl: string } | undefined
}

export function createIdentity(options: IdentityOptions): Identity {
  const { config, clock } = options
  const { adminToken, jwtSecret, externalIssuer } = config
  if (externalIssuer === undefined) {
    const localIssuer = createLocalIssuer({ ...options, jwtSecret })
    const authentication = createAuthentication({ issuer: localIssuer, adminToken, clock })
    return { authentication, localIssuer, services: [], checks: {} }
  }
  const keys = createRemoteKeys({ ...options, url: externalIssuer.jwksUrl })
  const issuer = createExternalIssuer({ ...options, ...externalIssuer, keys })
  return {
    authentication: createAuthentication({ issuer, adminToken, clock }),
    localIssuer: undefined,
    services: [keys],
    checks: { issuer: () => keys.status() },
  }
}
