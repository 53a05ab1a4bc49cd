import { AppShell, Drawer, Text } from '@mantine/core'
import { useDisclosure, useLocalStorage } from '@mantine/hooks'
import { Suspense } from 'react'
import { Navigate, Outlet, useLocation, useNavigation } from 'react-router'
import { Page } from '@/components/page'
import { Loading } from '@/components/states'
import { words } from '@/lib/format'
import { useMay, useSession } from '@/lib/session'
import { LiveContext, useLiveStream } from '@/lib/use-live'
import { BottomBar } from './bottom-bar'
import { Help } from './help'
import { homeOf, permissionAt, placesOf } from './nav'
import { Rail } from './rail'
import { Search } from './search'
import { SessionGate } from './session-gate'
import styles from './shell.module.css'
import { useShortcuts } from './shortcuts'
import { TopBar } from './top-bar'
import { useFrame } from './use-frame'

/** What stands around every page, for whoever is logged in. */
export function Shell() {
  return (
    <SessionGate>
      <Surroundings />
    </SessionGate>
  )
}

function Surroundings() {
  const { role, permissions } = useSession()
  const live = useLiveStream()
  const frame = useFrame()
  const [collapsed, setCollapsed] = useLocalStorage({ key: 'rail-collapsed', defaultValue: false })
  const [drawer, { open: openDrawer, close: closeDrawer }] = useDisclosure(false)
  const [searching, { open: search, close: closeSearch }] = useDisclosure(false)
  const [helping, { open: help, close: closeHelp }] = useDisclosure(false)
  const places = placesOf(role, permissions)
  useShortcuts(places, { search: permissions.includes('READ') ? search : help, help })
  const counts = {
    '/approvals': frame.data?.approvals ?? 0,
    '/system': frame.data?.dead_letters ?? 0,
  }
  const isLive = frame.data?.environment === 'LIVE'
  const height = isLive ? 56 : 52
  return (
    <LiveContext value={live}>
      <a href="#page" className={styles.skip}>
        Skip to the page
      </a>
      <AppShell
        header={{ height }}
        navbar={{ width: collapsed ? 56 : 186, breakpoint: 'sm', collapsed: { mobile: true } }}
        footer={{ height: { base: 58, sm: 0 } }}
        padding={{ base: 'sm', sm: 'md' }}
        transitionDuration={0}
      >
        <AppShell.Header className={isLive ? styles.live : undefined}>
          <TopBar frame={frame.data} failed={frame.isError} search={search} help={help} />
        </AppShell.Header>
        <AppShell.Navbar aria-label="Pages">
          <Rail
            places={places}
            counts={counts}
            collapsed={collapsed}
            toggle={() => setCollapsed(!collapsed)}
          />
        </AppShell.Navbar>
        <AppShell.Main id="page" tabIndex={-1}>
          <Here />
        </AppShell.Main>
        <AppShell.Footer hiddenFrom="sm">
          <BottomBar places={places} more={openDrawer} />
        </AppShell.Footer>
      </AppShell>
      <Drawer opened={drawer} onClose={closeDrawer} title="Pages" size={240}>
        <Rail places={places} counts={counts} collapsed={false} onGo={closeDrawer} />
      </Drawer>
      <Search opened={searching} close={closeSearch} />
      <Help opened={helping} close={closeHelp} places={places} />
    </LiveContext>
  )
}

/** The page of this address, where it is for whoever asks. */
function Here() {
  const { pathname } = useLocation()
  const { role } = useSession()
  const may = useMay(permissionAt(pathname))
  const coming = useNavigation().state === 'loading'
  const home = homeOf(role)
  if (pathname === '/' && home !== '/') return <Navigate to={home} replace />
  if (!may) return <NotYours role={role} />
  return (
    <Suspense fallback={<Loading />}>
      <div aria-busy={coming}>
        <Outlet />
      </div>
    </Suspense>
  )
}

function NotYours({ role }: { role: string }) {
  return (
    <Page title="Not for you">
      <Text>
        You are logged in as {words(role).toLowerCase()}, who may not see this page. Ask an admin if
        you need it.
      </Text>
    </Page>
  )
}
