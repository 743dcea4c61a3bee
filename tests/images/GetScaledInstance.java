import java.awt.Graphics2D;
import java.awt.Image;
import java.awt.image.BufferedImage;
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;

/** Reads images from standard input, resizes each with AWT, and writes them to standard output. */
class GetScaledInstance {
    public static void main(String[] none) throws Exception {
        var in = new DataInputStream(new BufferedInputStream(System.in));
        var out = new DataOutputStream(new BufferedOutputStream(System.out));
        for (int count = in.readInt(); count > 0; count--) {
            int height = in.readInt(), width = in.readInt();
            int newHeight = in.readInt(), newWidth = in.readInt();
            int hint = Image.class.getField(in.readUTF()).getInt(null);
            var pixels = new byte[height * width * 3];
            in.readFully(pixels);
            var source = new BufferedImage(width, height, BufferedImage.TYPE_3BYTE_BGR);
            for (int at = 0; at < pixels.length; at += 3) { // blue first
                int rgb = (pixels[at + 2] & 255) << 16 | (pixels[at + 1] & 255) << 8 | pixels[at] & 255;
                source.setRGB(at / 3 % width, at / 3 / width, rgb);
            }
            var target = new BufferedImage(newWidth, newHeight, BufferedImage.TYPE_3BYTE_BGR);
            Graphics2D canvas = target.createGraphics();
            canvas.drawImage(source.getScaledInstance(newWidth, newHeight, hint), 0, 0, null);
            canvas.dispose();
            for (int at = 0; at < newWidth * newHeight; at++) { // red first
                int rgb = target.getRGB(at % newWidth, at / newWidth);
                out.writeByte(rgb >> 16);
                out.writeByte(rgb >> 8);
                out.writeByte(rgb);
            }
        }
        out.flush();
    }
}
