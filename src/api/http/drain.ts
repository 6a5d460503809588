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

/** Long enough for a request that is on its way when the stop begins. */
const acceptsForMs = 500
/** The last request may wait as long as add-to-cart can, and 300 ms are for writing the answers. */
const drainTimeoutMs = acceptsForMs + limits.addToCartWaitMsMax + 300

/**
 * Ends a server so that whoever had sent a request is answered: who has connected is let in, for a moment
 * what comes is served, then each connection is closed when what was accepted on it is answered. Not the
 * server's own `close`, which begins with cutting idle connections, whatever lies unread in them.
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
      // Ends its looking for slow requests.
      server.close()
      resolve()
    })
    whenNobodyComes(server, defer, () => {
      stopListening(server)
    })
  })
}

/** Node lets one connection in per turn of its loop; those still in line would be reset. */
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
