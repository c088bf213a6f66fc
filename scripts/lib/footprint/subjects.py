"""What is measured: how each server is prepared, started and logged in to, and what the report says about it.

A peer is a folder NAME/ in the folder of peers with `start.sh PORT`, which installs what is missing, makes the data and runs
the server on 127.0.0.1. That is done once; the measured starts are those of the server alone, by `command`. The classes below
say which settings they give by variables and which routes they call.
"""

import json
import http.client
import os
import subprocess
import urllib.parse
from pathlib import Path

from servers import NotMeasured, Postgresql, Server, free_port, output_of

PASSWORD = 'correct horse battery'
INSTALLING = 1800  # seconds that a peer has for its first start, which may install and compile it


class Subject:
    """A server as it comes, with its own defaults except for what `settings` says."""

    name = ''
    needs = ''
    settings = ''
    work = 'logins'  # what `login` does
    path = '/'  # is answered with 200 as soon as the server is ready
    database = None  # the database server beside it

    def __init__(self, folder):
        self.folder = folder
        self.folder.mkdir(parents=True)
        self.port = free_port()
        self.cwd, self.env = self.folder, {}

    def prepare(self):
        """Makes the database and the users, so that what is measured is a start on existing data."""

    def start(self):
        return Server(self.command(), self.port, self.path, self.cwd, self.env, self.folder / 'log')

    def close(self):
        if self.database:
            self.database.stop()

    def version(self):
        raise NotImplementedError

    def command(self):
        raise NotImplementedError

    def login(self, user):
        """Logs in user 0 or 1. Any answer but a success is an error."""
        raise NotImplementedError

    def own_files(self):
        """Returns the files and folders of the project with its libraries."""
        raise NotImplementedError

    def runtime_files(self):
        """Returns what it needs beyond that and beyond the code that its processes have mapped."""
        return []

    def post(self, path, body, form=False):
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=60)
        kind = 'application/x-www-form-urlencoded' if form else 'application/json'
        text = urllib.parse.urlencode(body) if form else json.dumps(body)
        connection.request('POST', path, text, {'Content-Type': kind})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if answer.status not in (200, 201):
            raise NotMeasured(f'POST {path} was answered with {answer.status}: {content[:200]!r}')


class AuthService(Subject):
    name = 'auth-service, SQLite'
    needs = 'nothing'
    settings = 'bcrypt, cost 12; ES256'
    path = '/readyz'

    def __init__(self, folder, program):
        super().__init__(folder)
        self.program = program
        url = f'http://127.0.0.1:{self.port}'
        self.env = {'AUTH__LISTEN': f'127.0.0.1:{self.port}', 'AUTH__ISSUER': url, 'AUTH__DATA_DIR': str(folder / 'data')}

    def prepare(self):
        server = self.start()
        for user in range(2):
            self.post('/register', {'username': f'user{user}', 'password': PASSWORD})
        server.stop()

    def version(self):
        return output_of([self.program, '--version']).split()[-1]

    def command(self):
        return [str(self.program)]

    def login(self, user):
        self.post('/login', {'username': f'user{user}', 'password': PASSWORD})

    def own_files(self):
        return [self.program]


class AuthServiceOnPostgresql(AuthService):
    name = 'auth-service, PostgreSQL'
    needs = 'PostgreSQL'

    def prepare(self):
        self.database = Postgresql()
        self.env['AUTH__DATABASE_URL'] = self.database.url
        super().prepare()


class Peer(Subject):
    """A server from the folder of peers, whose `start.sh PORT` installs it and makes its data on the first start."""

    folder_name = ''

    def __init__(self, folder, peers):
        super().__init__(folder)
        self.cwd = peers / self.folder_name
        if not (self.cwd / 'start.sh').exists():
            raise NotMeasured(f'{self.folder_name}/start.sh is not in the folder of peers')

    def prepare(self):
        server = Server(
            ['sh', 'start.sh', str(self.port)], self.port, self.first_path(), self.cwd, self.env,
            self.folder / 'log', INSTALLING,
        )
        try:
            self.make_users()
        finally:
            server.stop()

    def first_path(self):
        return self.path

    def make_users(self):
        """Makes two users, by what the running server offers."""


class NodePeer(Peer):
    package = ''

    def command(self):
        return ['node', 'app.mjs', str(self.port)]

    def version(self):
        package = json.loads((self.cwd / 'node_modules' / self.package / 'package.json').read_text())
        return f"{package['version']} on Node.js {output_of(['node', '--version'])[1:]}"

    def own_files(self):
        return [self.cwd / 'node_modules']


class OidcProvider(NodePeer):
    name = package = folder_name = 'oidc-provider'
    needs = 'Node.js; logins, pages and storage of your own'
    settings = 'everything in memory; makes its keys (RSA 2048, ES256) at each start'
    work = 'tokens for a client (client_credentials), since it has no logins of its own'
    path = '/.well-known/openid-configuration'

    def __init__(self, folder, peers):
        super().__init__(folder, peers)
        self.env = {'NODE_ENV': 'production', 'OUT': str(folder), 'N': '0'}

    def login(self, user):
        self.post('/token', {'grant_type': 'client_credentials', 'client_id': 'c1', 'client_secret': 'secret'}, form=True)


class BetterAuth(NodePeer):
    name = package = folder_name = 'better-auth'
    needs = 'Node.js'
    settings = 'SQLite; scrypt, N=16384, r=16; sessions, no JWTs'
    path = '/api/auth/ok'

    def __init__(self, folder, peers):
        super().__init__(folder, peers)
        self.env = {'NODE_ENV': 'production', 'DB': str(folder / 'better.db')}

    def make_users(self):
        for user in range(2):
            body = {'name': f'user{user}', 'email': f'user{user}@example.test', 'password': PASSWORD}
            self.post('/api/auth/sign-up/email', body)

    def login(self, user):
        self.post('/api/auth/sign-in/email', {'email': f'user{user}@example.test', 'password': PASSWORD})


class Django(Peer):
    name = 'Django REST framework + Simple JWT'
    folder_name = 'django-simplejwt'
    needs = 'Python'
    settings = 'SQLite; PBKDF2-SHA256, 1,000,000 rounds; HS256; gunicorn, 1 worker with 8 threads'

    def __init__(self, folder, peers):
        super().__init__(folder, peers)
        self.python = self.cwd / 'v/bin/python'
        self.env = {'HASH': 'pbkdf2', 'DATA': str(folder), 'DJANGO_SETTINGS_MODULE': 'proj.settings', 'PYTHONPATH': '.'}

    def make_users(self):
        for user in range(2):
            self.post('/register', {'username': f'user{user}', 'password': PASSWORD})

    def login(self, user):
        self.post('/token', {'username': f'user{user}', 'password': PASSWORD})

    def version(self):
        names = ('django', 'djangorestframework-simplejwt')
        script = f'import importlib.metadata as m, platform; print(*map(m.version, {names}), platform.python_version())'
        django, simplejwt, python = output_of([self.python, '-c', script]).split()
        return f'Django {django}, Simple JWT {simplejwt} on Python {python}'

    def command(self):
        gunicorn = str(self.cwd / 'v/bin/gunicorn')
        options = ['-w', '1', '-k', 'gthread', '--threads', '8', '--keep-alive', '30', '-b', f'127.0.0.1:{self.port}']
        return [gunicorn, *options, 'proj.wsgi:application']

    def own_files(self):
        folder = next((self.cwd / 'v/lib').glob('python*/site-packages'))
        installers = ('pip', 'setuptools', 'pkg_resources', '_distutils_hack')
        return [path for path in folder.iterdir() if not path.name.startswith(installers)]

    def runtime_files(self):
        library = Path(output_of([self.python, '-c', 'import sysconfig; print(sysconfig.get_path("stdlib"))']))
        left_out = ('site-packages', 'dist-packages', 'test', 'idlelib', 'lib-dynload')  # the last is in memory or not
        return [path for path in library.iterdir() if path.name not in left_out and not path.name.startswith('config-')]


class Glewlwyd(Peer):
    name = 'Glewlwyd'
    folder_name = 'glewlwyd'
    needs = 'some forty C libraries, as Debian packages'
    settings = 'SQLite; PBKDF2-SHA256, 150,000 rounds; ES256; logins by the password grant'
    path = '/api/oidc/.well-known/openid-configuration'

    def __init__(self, folder, peers):
        super().__init__(folder, peers)
        self.env = {'DIR': str(folder / 'data'), 'KEYS': str(folder), 'OUT': str(folder), 'N': '0'}

    def first_path(self):
        return '/config'  # the plug-in for OpenID is made afterwards

    def make_users(self):
        key = ['openssl', 'genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', 'priv-es256.pem']
        output_of(key, cwd=self.folder)
        output_of(['openssl', 'pkey', '-in', 'priv-es256.pem', '-pubout', '-out', 'pub-es256.pem'], cwd=self.folder)
        with open(self.folder / 'log', 'ab') as log:
            setup = ['python3', 'setup.py', str(self.port), str(self.folder)]
            subprocess.run(setup, cwd=self.cwd, env={**os.environ, **self.env}, check=True, stdout=log, stderr=log)

    def login(self, user):
        body = {
            'grant_type': 'password', 'client_id': 'c1', 'client_secret': 'secret',
            'username': f'bench{user}', 'password': 'correct-horse', 'scope': 'read',
        }
        self.post('/api/oidc/token', body, form=True)

    def version(self):
        return f"{output_of(['dpkg-query', '-W', '-f', '${Version}', 'glewlwyd'])} of Debian"

    def command(self):
        return ['glewlwyd', f"--config-file={self.env['DIR']}/g.conf"]

    def own_files(self):
        names = output_of(['sh', '-c', 'dpkg -L glewlwyd glewlwyd-common | sort -u']).splitlines()
        return [name for name in names if os.path.isfile(name) and not os.path.islink(name)]


def subjects(folder, program, peers):
    """Yields each subject that can be measured, and a sentence for each that cannot."""
    ours = [(AuthService, program), (AuthServiceOnPostgresql, program)]
    theirs = [(peer, peers) for peer in (Glewlwyd, OidcProvider, BetterAuth, Django) if peers]
    for kind, source in ours + theirs:
        try:
            yield prepared(kind, folder / kind.__name__, source)
        except (NotMeasured, OSError, subprocess.CalledProcessError) as error:
            yield f'{kind.name}: {error}'


def prepared(kind, folder, source):
    subject = kind(folder, source)
    try:
        subject.prepare()
    except BaseException:
        subject.close()
        raise
    return subject
