namespace RunnerVm.GuestAgent.Network;

/// <summary>resolv.conf(5) of the job's root.</summary>
internal static class ResolverFile
{
    /// <summary>Puts a new file in place of whatever has the name: in many images that is a symbolic link to nowhere.</summary>
    public static void Write(string path)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        File.Delete(path);
        // CreateNew does not follow a link either.
        using var file = new FileStream(path, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead,
        });
        // The host tries its servers twice before it gives up; asking again earlier helps nobody.
        file.Write(System.Text.Encoding.ASCII.GetBytes($"nameserver {GuestNetwork.NameServer}\noptions edns0 timeout:10 attempts:1\n"));
    }
}
