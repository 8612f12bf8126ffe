# jpki-pkcs11. `make demo` shows it, `make test` checks all of it, `make` builds it; README.md says the rest.

PREFIX ?= /usr/local
DESTDIR ?=
CARGO ?= cargo
INSTALL ?= install

# rustup's cargo is there also where no profile adds it to the PATH.
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin

# What Debian has to give, for what.
PACKAGES_BUILD = gcc libc6-dev pkg-config libpcsclite-dev
PACKAGES_CARD = pcscd vsmartcard-vpcd python3 util-linux
PACKAGES_DEMO = opensc openssl curl gnutls-bin libengine-pkcs11-openssl
PACKAGES_TEST = g++ p11-kit libp11-kit-dev python3-venv shellcheck
PACKAGES_DEB = dpkg-dev binutils
PACKAGES_PRIVACY = strace
PACKAGES_PHONE = adb iproute2 procps
PACKAGES_BENCH = valgrind openssh-client openssh-server

# p11-kit and those who load modules through it look in these places and nowhere else, whatever PREFIX says.
P11_MODULES ?= $(or $(shell pkg-config --variable=p11_module_path p11-kit-1 2>/dev/null),/usr/lib/$(shell uname -m)-linux-gnu/pkcs11)
P11_CONFIGS ?= $(or $(shell pkg-config --variable=p11_module_configs p11-kit-1 2>/dev/null),/usr/share/p11-kit/modules)

TARGET = $(or $(CARGO_TARGET_DIR),target)
RELEASE = $(TARGET)/release
MODULE = $(RELEASE)/libjpki_pkcs11.so
# The simulator is not installed here: make deb has a package of it.
MAN_PAGES = $(filter-out %/jpki-card-simulator.1,$(wildcard docs/man/*.[1578]))
PAGES = docs/report.md docs/uses.md docs/uses.ja.md docs/configuration.md docs/faq.md docs/faq.ja.md docs/privacy.md docs/privacy.ja.md docs/login.md docs/phone.md docs/phone.ja.md
MAN_PAGES_JA = $(wildcard docs/man/ja/*.[1578])

.PHONY: all build demo test windows check deny advisories consumers bench bench-login deb dist install uninstall clean help
.PHONY: packages-build packages-deb packages-demo packages-checks packages-test toolchain

all: build

help:
	@echo 'make demo       the main job in front of you, with a virtual card (installs what is missing)'
	@echo 'make test       everything CI runs; tests/everything NAME runs one step of it'
	@echo 'make windows    a DLL for Windows and a zip of it, experimental (docs/windows.md)'
	@echo 'make            the module and the programs, in $(RELEASE)'
	@echo 'make install    as root, after make: PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)'
	@echo 'make uninstall  takes the same files away'
	@echo 'make consumers  real programs against the module'
	@echo 'make bench      measurements'
	@echo 'make bench-login  what a login costs and leaves open, beside OpenSC'
	@echo 'make deb        Debian packages'
	@echo 'make dist       a source tarball that builds without a network'
	@echo 'make deny       licences and sources of the dependencies, by cargo-deny'
	@echo 'make advisories known vulnerabilities of the dependencies (reads GitHub)'

build: packages-build
	$(CARGO) build --release --workspace

demo: packages-demo build
	@tests/demo/run

test: packages-test toolchain
	@tests/everything

check: test

consumers: packages-test build
	@tests/consumers/run

bench: packages-test build
	@tests/bench/run

# What a login costs and leaves open, beside OpenSC: the tables of docs/login.md.
bench-login: packages-demo build
	@tests/compare-opensc/run

deb: packages-deb build
	@tests/package/build

# With all crates that it needs: it builds without a network.
dist:
	@tests/package/dist

deny:
	@tests/everything licences

# Reads the database of advisories from GitHub.
advisories:
	tests/tools/with $(CARGO) deny --locked check advisories

# The packages `cargo` and `rustc` of Debian 12 and 13 are too old; cargo-web and rustc-web hold newer ones of the same names.
packages-build:
	@tests/install-missing $(PACKAGES_BUILD)
	@command -v $(CARGO) > /dev/null || tests/install-missing cargo-web rustc-web

packages-deb:
	@tests/install-missing $(PACKAGES_DEB)

packages-demo: packages-build
	@tests/install-missing $(PACKAGES_CARD) $(PACKAGES_DEMO)

packages-checks: packages-build
	@tests/install-missing $(PACKAGES_CARD) $(PACKAGES_DEMO) $(PACKAGES_TEST) $(PACKAGES_DEB) $(PACKAGES_PRIVACY) $(PACKAGES_PHONE) $(PACKAGES_BENCH)

packages-test: packages-checks
	@tests/consumers/install

# A minimal toolchain has neither. Debian's is installed first, so that no other cargo is.
toolchain: packages-build
	@$(CARGO) fmt --version > /dev/null 2>&1 || \
	    if command -v rustup > /dev/null; then rustup component add rustfmt; else tests/install-missing rustfmt-web; fi
	@$(CARGO) clippy --version > /dev/null 2>&1 || \
	    if command -v rustup > /dev/null; then rustup component add clippy; else tests/install-missing rust-web-clippy; fi

# Installs what was built and builds nothing: root mostly has no Rust.
install:
	@test -e $(MODULE) || { echo '$(MODULE) is not there: first make, as yourself' >&2; exit 1; }
	$(INSTALL) -D -m 644 $(MODULE) $(DESTDIR)$(P11_MODULES)/jpki-pkcs11.so
	$(INSTALL) -d $(DESTDIR)$(P11_CONFIGS)
	sed 's/^module:.*/module: jpki-pkcs11.so/' pkcs11-test-config/p11-kit/jpki-pkcs11.module \
	    > $(DESTDIR)$(P11_CONFIGS)/jpki-pkcs11.module
	$(INSTALL) -D -m 644 pkcs11-test-config/config.toml $(DESTDIR)$(PREFIX)/share/doc/jpki-pkcs11/config.toml
	$(INSTALL) -m 644 README.md README.ja.md $(PAGES) LICENSE-APACHE LICENSE-MIT $(DESTDIR)$(PREFIX)/share/doc/jpki-pkcs11/
	if [ -e include/jpki_pkcs11.h ]; then $(INSTALL) -D -m 644 include/jpki_pkcs11.h $(DESTDIR)$(PREFIX)/include/jpki_pkcs11.h; fi
	if [ -e $(RELEASE)/jpki-doctor ]; then $(INSTALL) -D -m 755 $(RELEASE)/jpki-doctor $(DESTDIR)$(PREFIX)/bin/jpki-doctor; fi
	for page in $(MAN_PAGES); do \
	    $(INSTALL) -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/} || exit 1; \
	done
	for page in $(MAN_PAGES_JA); do \
	    $(INSTALL) -D -m 644 $$page $(DESTDIR)$(PREFIX)/share/man/ja/man$${page##*.}/$${page##*/} || exit 1; \
	done

uninstall:
	rm -f $(DESTDIR)$(P11_MODULES)/jpki-pkcs11.so $(DESTDIR)$(P11_CONFIGS)/jpki-pkcs11.module
	rm -f $(DESTDIR)$(PREFIX)/include/jpki_pkcs11.h $(DESTDIR)$(PREFIX)/bin/jpki-doctor
	rm -rf $(DESTDIR)$(PREFIX)/share/doc/jpki-pkcs11
	for page in $(MAN_PAGES); do rm -f $(DESTDIR)$(PREFIX)/share/man/man$${page##*.}/$${page##*/}; done
	for page in $(MAN_PAGES_JA); do rm -f $(DESTDIR)$(PREFIX)/share/man/ja/man$${page##*.}/$${page##*/}; done

clean:
	$(CARGO) clean

windows:
	tests/windows/build
	tests/windows/dist
