import type { Server } from 'node:http'
import { Server as ListeningServer } from 'node:net'
import type { Clock } from '../../clock.ts'
import { limits } from '../../domain/limits.ts'
import type { Connections } from './connections.ts'

export interface DrainOptions {
  readonly server: Server
  readonly connections: Connections
  readonly clock: Clock
  /** Runs a task after the arrivals of the current tick. */
  readonly defer: (task: () => void) => void
}

/** Requests that are on their way when the stop begins arrive within this time. */
const acceptsForMs = 500
/** The last request may wait as long as add-to-cart can, and 300 ms are for writing the answers. */
const drainTimeoutMs = acceptsForMs + limits.addToCartWaitMsMax + 300

/**
 * Ends a server so that every request sent before is answered: waiting connections are accepted,
 * requests are served for a moment, then each connection is closed after its last answer. The
 * server's own `close` would first cut idle connections, also those with unread requests.
 */
export function drain({ server, connections, clock, defer }: DrainOptions): Promise<void> {
  connections.drain()
  if (!server.listening) return Promise.resolve()
  return new Promise((resolve) => {
    const cancelUnaccepted = clock.after(acceptsForMs, () => {
      stopListening(server)
      connections.closeUnaccepted()
    })
    const cancelAll = clock.after(drainTimeoutMs, () => {
      server.closeAllConnections()
    })
    server.once('close', () => {
      cancelUnaccepted()
      cancelAll()
      // This ends the server's timer for slow requests.
      server.close()
      resolve()
    })
    whenNobodyComes(server, defer, () => {
      stopListening(server)
    })
  })
}

/**
 * Waits until no connection waits to be accepted. Node accepts one per turn of its loop, and the
 * others would be reset.
 */
function whenNobodyComes(server: Server, defer: DrainOptions['defer'], task: () => void): void {
  let isQuiet = false
  const came = (): void => {
    isQuiet = false
  }
  function look(): void {
    if (isQuiet) {
      server.off('connection', came)
      task()
      return
    }
    isQuiet = true
    defer(look)
  }
  server.on('connection', came)
  defer(look)
}

function stopListening(server: Server): void {
  if (server.listening) ListeningServer.prototype.close.call(server)
}
