import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import { hasBody } from './request-context.ts'

/**
 * Watches the arriving requests on every connection and ends those that take too long. Node's own
 * timeouts are off. They count from the moment a connection is accepted, so that one opened in
 * advance was refused with 408 after 5 s; and they measure by the clock, so that a process whose
 * event loop was late refused requests that had long arrived: 153 of 10,000 cold connections. Here
 * time is counted in looks, at most one per turn of the event loop, and the loop reads the sockets
 * before anything is ended.
 */
export interface Arrivals {
  /** Call it for every request whose headers have arrived. */
  began(request: IncomingMessage): void
  /** Call it every `lookEveryMs`. */
  look(): void
}

export interface ArrivalsOptions {
  readonly server: Server
  readonly lookEveryMs: number
  /** The time from the first byte of a request to the end of its headers. */
  readonly headersTimeoutMs: number
  /** The time from the first byte of a request to its last. */
  readonly requestTimeoutMs: number
  /** A connection may stay open for this long without sending anything. */
  readonly silentMs: number
  /** Connections that have sent nothing; beyond it the oldest are closed. */
  readonly silentMax: number
  /** Runs a task after the arrivals of the current tick. */
  readonly defer: (task: () => void) => void
  /** Answers a connection whose request did not arrive in time. */
  readonly refuse: (socket: Socket) => void
}

interface Connection {
  /** Bytes up to the end of the last request; more of them are the beginning of another one. */
  endOfLast: number
  /**
   * The request whose headers have arrived and whose body may not have; undefined when it has none.
   */
  newest: IncomingMessage | undefined
  /** For how many looks the same request has been arriving, or nothing at all has. */
  looks: number
  /** Counts requests, so that a deferred task knows whether another one has come. */
  requests: number
}

export function watchArrivals(options: ArrivalsOptions): Arrivals {
  const { server, lookEveryMs, silentMax, defer } = options
  const connections = new Map<Socket, Connection>()
  /** Connections that have not sent anything, the oldest first. */
  const silent = new Set<Socket>()
  const looksOf = (ms: number): number => Math.ceil(ms / lookEveryMs)
  const looksMax = {
    silent: looksOf(options.silentMs),
    headers: looksOf(options.headersTimeoutMs),
    body: looksOf(options.requestTimeoutMs),
  }
  let isMakingRoom = false

  server.on('connection', (socket: Socket) => {
    connections.set(socket, { endOfLast: 0, newest: undefined, looks: -1, requests: 0 })
    silent.add(socket)
    socket.once('close', () => {
      connections.delete(socket)
      silent.delete(socket)
    })
    if (silent.size <= silentMax || isMakingRoom) return
    isMakingRoom = true
    afterReading(() => {
      isMakingRoom = false
      closeOldest(silent, silentMax)
    })
  })

  /** Two turns: a task deferred while sockets are being read would run before the others are. */
  function afterReading(task: () => void): void {
    defer(() => {
      defer(task)
    })
  }

  function lookAt(socket: Socket, connection: Connection): void {
    if (silent.has(socket)) {
      if (socket.bytesRead === 0) {
        connection.looks += 1
        if (connection.looks >= looksMax.silent) {
          afterReading(() => {
            if (socket.bytesRead === 0) socket.destroy()
          })
        }
        return
      }
      silent.delete(socket)
      connection.looks = -1
    }
    // Node stops reading from a client that takes no answers; nothing more can arrive from it then.
    const phase = socket.isPaused() ? 'idle' : phaseOf(socket, connection)
    if (phase === 'idle') {
      connection.looks = -1
      return
    }
    connection.looks += 1
    if (connection.looks < looksMax[phase]) return
    const { requests } = connection
    afterReading(() => {
      const isSame = connections.get(socket) === connection && connection.requests === requests
      if (!isSame || phaseOf(socket, connection) === 'idle') return
      connections.delete(socket)
      options.refuse(socket)
    })
  }

  return {
    began(request) {
      const connection = connections.get(request.socket)
      if (connection === undefined) return
      // The headers of the first one have been arriving until now; a further one begins anew.
      if (connection.newest !== undefined) connection.looks = -1
      connection.requests += 1
      silent.delete(request.socket)
      if (hasBody(request)) {
        connection.newest = request
        return
      }
      connection.newest = undefined
      connection.endOfLast = request.socket.bytesRead
      connection.looks = -1
    },
    look() {
      for (const [socket, connection] of connections) lookAt(socket, connection)
    },
  }
}

/**
 * Closes the oldest connections that have not sent anything, so that at most `silentMax` of them
 * remain.
 */
function closeOldest(silent: Set<Socket>, silentMax: number): void {
  for (const socket of silent) if (socket.bytesRead > 0) silent.delete(socket)
  for (const socket of silent) {
    if (silent.size <= silentMax) return
    silent.delete(socket)
    socket.destroy()
  }
}

/** Tells which part of a request is arriving now: none, headers, or the body after them. */
function phaseOf(socket: Socket, connection: Connection): 'idle' | 'headers' | 'body' {
  const { newest } = connection
  if (newest !== undefined) {
    if (!newest.complete) return 'body'
    // Bytes that came since may be the rest of the body, or the beginning of another request, which
    // then counts from its next byte on.
    connection.endOfLast = socket.bytesRead
    connection.newest = undefined
  }
  return socket.bytesRead > connection.endOfLast ? 'headers' : 'idle'
}
