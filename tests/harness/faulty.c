/* A program that takes the server's place on disk and fails as MODE says when it is to be a worker; everything
 * else is done by the real one. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The channel to the master (master/src/boot.rs), and what says "ready" on it. */
#define CHANNEL 401
#define READY "R"

enum { PANIC, HANG, CRASH };

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "role-worker") == 0) {
        switch (MODE) {
        case PANIC:
            return 101;
        case HANG:
            for (;;)
                pause();
        case CRASH:
            if (write(CHANNEL, READY, 1) != 1)
                return 2;
            usleep(200000);
            return 1;
        }
    }
    execv(REAL, argv);
    return 127;
}
