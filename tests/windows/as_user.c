/* Runs a program without the rights of an administrator, as UAC does: Wine 8.0 starts each program elevated. Its exit status is the
 * program's. PROGRAM [ARGUMENT..] */
#include <stdio.h>
#include <string.h>
#include <windows.h>

int main(void)
{
    /* What follows the first word, as it was written. */
    char *words = GetCommandLineA();
    char end = *words == '"' ? '"' : ' ';
    words = strchr(words + 1, end);
    if (words)
        words += strspn(words + (end == '"'), " ") + (end == '"');
    if (!words || !*words)
        return 2;
    HANDLE elevated, primary;
    TOKEN_LINKED_TOKEN other;
    DWORD size;
    STARTUPINFOA startup = {.cb = sizeof startup};
    PROCESS_INFORMATION process;
    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY | TOKEN_DUPLICATE, &elevated) ||
        !GetTokenInformation(elevated, TokenLinkedToken, &other, sizeof other, &size) ||
        !DuplicateTokenEx(other.LinkedToken, TOKEN_ALL_ACCESS, NULL, SecurityImpersonation, TokenPrimary, &primary) ||
        !CreateProcessAsUserA(primary, NULL, words, NULL, NULL, TRUE, 0, NULL, NULL, &startup, &process)) {
        fprintf(stderr, "%s: error %lu\n", words, GetLastError());
        return 125;
    }
    DWORD status = 125;
    WaitForSingleObject(process.hProcess, INFINITE);
    GetExitCodeProcess(process.hProcess, &status);
    return (int)status;
}
