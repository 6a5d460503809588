import type { Clock } from '../../clock.ts'
import { together, type Service } from '../../lifecycle.ts'
import type { Logger } from '../../logger.ts'
import type { Metrics } from '../../metrics.ts'
import type { NewId } from '../../ids.ts'
import { createApp } from './app.ts'
import type { Authentication } from '../identity/authentication.ts'
import { limitCallers } from './caller-limit.ts'
import type { FastPath } from '../add-to-cart/fast-path.ts'
import type { Readiness } from './readiness.ts'
import type { AnyRoute } from './route.ts'
import { healthRoutes, metricsRoutes } from '../routes/health.ts'
import { createHttpServer } from './server.ts'

/**
 * Where the program is reached. With an admin port, operators' routes and the metrics are there and
 * nowhere else, shoppers' routes are not, and each port answers whether this process is healthy.
 */
export interface HttpServers extends Service {
  /** Where shoppers come in; only while started. */
  url(): string
  /** Where operators come in; the same unless they have a port of their own. */
  adminUrl(): string
}

export interface HttpServersOptions {
  readonly config: HttpServersConfig
  readonly routes: readonly AnyRoute[]
  /** The fast path; undefined where no add-to-cart is served. */
  readonly fastPath: FastPath | undefined
  readonly authentication: Authentication
  readonly readiness: Readiness
  readonly metrics: Metrics
  readonly clock: Clock
  readonly logger: Logger
  readonly newId: NewId
  /** Runs a task after the arrivals of the current tick. */
  readonly defer: (task: () => void) => void
  readonly version: string
}

export interface HttpServersConfig {
  readonly host: string
  readonly port: number
  readonly adminPort: number | undefined
  readonly trustedProxies: number
  readonly drainDelayMs: number
  readonly keepAliveMs: number
  readonly shopperRate: number
  readonly addressRate: number
}

export function createHttpServers(options: HttpServersOptions): HttpServers {
  const { config, routes, fastPath, metrics } = options
  const { host, port, adminPort, trustedProxies, drainDelayMs, keepAliveMs } = config
  const callerLimit = limitCallers({ ...options, ...config })
  const health = healthRoutes(options)
  const internal = metricsRoutes({ metrics })

  function open(at: number, some: readonly AnyRoute[], fastPath: FastPath | undefined) {
    const app = createApp({ ...options, routes: some, callerLimit, trustedProxies })
    const connections = { drainDelayMs, keepAliveMs }
    return createHttpServer({ ...options, ...connections, app, fastPath, host, port: at })
  }

  if (adminPort === undefined) {
    const server = open(port, [...routes, ...health, ...internal], fastPath)
    return { ...server, adminUrl: server.url }
  }
  const isForOperators = ({ access }: AnyRoute): boolean => access === 'admin'
  const forShoppers = routes.filter((route) => !isForOperators(route))
  const server = open(port, [...forShoppers, ...health], fastPath)
  const forOperators = [...routes.filter(isForOperators), ...health, ...internal]
  const adminServer = open(adminPort, forOperators, undefined)
  const both = together('http servers', [server, adminServer])
  return { ...both, url: server.url, adminUrl: adminServer.url }
}
