import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import express, { Router } from 'express'
import { defineRoute, json, sendReply, type AnyRoute } from './route.ts'

const page = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>Holdfast API</title>
    <link rel="stylesheet" href="/docs/assets/swagger-ui.css" />
  </head>
  <body>
    <div id="swagger-ui"></div>
    <script src="/docs/assets/swagger-ui-bundle.js"></script>
    <script src="/docs/start.js"></script>
  </body>
</html>
`

const start = `SwaggerUIBundle({ url: '/openapi.json', dom_id: '#swagger-ui', deepLinking: true, validatorUrl: null })
`

/**
 * The package's folder, not the package: importing it would run the page's 1.5 MB here, for 40 MB
 * of memory.
 */
const assets = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'))

/** The API's documentation for programs and people. */
export function docsRoutes(document: () => unknown): readonly AnyRoute[] {
  const html = { 'content-type': 'text/html; charset=utf-8' }
  return [
    defineRoute({
      method: 'get',
      path: '/openapi.json',
      access: 'anyone',
      tag: 'operations',
      summary: 'This document',
      description: 'The routes of this server as OpenAPI 3.1.',
      responses: { 200: { description: 'OpenAPI 3.1' } },
      handle: () => Promise.resolve(json(200, document())),
    }),
    defineRoute({
      method: 'get',
      path: '/docs',
      access: 'anyone',
      tag: 'operations',
      summary: 'This document as a page',
      description: 'A page of this server to read the routes and to try them.',
      responses: { 200: { description: 'HTML' } },
      handle: () => Promise.resolve({ status: 200, headers: html, text: page }),
    }),
  ]
}

/** The JSON that `/` answers to a program; a browser gets a redirect to the documentation. */
const index = {
  name: 'Holdfast',
  documentation: '/docs',
  openapi: '/openapi.json',
  flashSales: '/v1/flash-sales',
  health: '/readyz',
}

/** Serves everything the page needs, and `/`. */
export function docsAssets(): Router {
  const router = Router({ caseSensitive: true })
  router.get('/', (request, response) => {
    response.vary('accept')
    const wanted = request.accepts(['json', 'html'])
    const location = { location: '/docs' }
    sendReply(response, wanted === 'html' ? { status: 302, headers: location } : json(200, index))
  })
  router.get('/docs/start.js', (_request, response) => {
    response.type('js').send(start)
  })
  router.use('/docs/assets', express.static(assets, { index: false, maxAge: '1d' }))
  return router
}
