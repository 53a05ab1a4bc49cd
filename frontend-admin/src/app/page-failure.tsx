import { Button, Container } from '@mantine/core'
import { useEffect } from 'react'
import { useRouteError } from 'react-router'
import { Failed } from '@/components/states'

const MARK = 'reloaded-for'
const CHUNK = /dynamically imported module|module script failed|error loading|preload CSS/i

/** After an update the old page asks for files that are gone: load the new one, once. */
export function isStaleBuild(error: unknown): boolean {
  return error instanceof Error && CHUNK.test(error.message)
}

/** What is shown instead of a page that broke; the rest of the system goes on. */
export function PageFailure() {
  const error = useRouteError()
  const reloading = isStaleBuild(error) && sessionStorage.getItem(MARK) !== location.pathname
  useEffect(() => {
    if (!reloading) return
    sessionStorage.setItem(MARK, location.pathname)
    location.reload()
  }, [reloading])
  if (reloading) return null
  return (
    <Container py="xl">
      <Failed error={error} what="This page" />
      <Button mt="md" variant="default" onClick={() => location.reload()}>
        Load it again
      </Button>
    </Container>
  )
}
